"""What may stand in an argument of a tool call."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Self
from urllib.parse import unquote

from pydantic import AfterValidator, Field, JsonValue, model_validator

from app.domain.conversation import Json
from app.domain.errors import DetectorError
from app.domain.persona import FileModel, Scalar
from app.guardrails.fold import fold
from app.guardrails.hosts import is_within, listed_host
from app.guardrails.regex import Regex

_DEEPEST = 3
"""Percent signs within percent signs that are undone before a path is taken for a trick."""

_NOT_IN_A_PATH = re.compile("[\x00-\x1f\x7f\ufffd]")
_EXPANDED = re.compile(r"\A\s*~|\$[A-Za-z_{(]|%[A-Za-z_]+%|`")
_DOTS = re.compile(r"[\s.]*\.[\s.]*\.[\s.]*")
_URL = re.compile(
    r"(?i)https?://([a-z0-9](?:[a-z0-9.\-]{0,252}[a-z0-9.])?)(?::[0-9]{1,5})?"
    r"(?:[/?#][^\s\\\x00-\x1f\x7f]*)?"
)

Path = tuple[str | int, ...]


def _folder(entry: str) -> str:
    if not _is_plain(entry):
        raise ValueError("write a folder such as /data, without '..', '~' or escapes")
    return entry


class Limit(FileModel):
    """What may stand in an argument; all that is given has to hold, in a list for every item."""

    required: bool = False
    """Whether it has to be there."""
    one_of: tuple[Scalar, ...] | None = None
    """Only these values, exactly."""
    matches: str | None = None
    """Only text that this RE2 pattern matches from beginning to end."""
    min: float | None = None
    """Only numbers from here on."""
    max: float | None = None
    """Only numbers up to here."""
    inside: tuple[Annotated[str, AfterValidator(_folder)], ...] = ()
    """Only paths in these folders, however they are written. Links on the disk are not seen."""
    hosts: tuple[Annotated[str, AfterValidator(listed_host)], ...] = ()
    """Only HTTP addresses of these hosts and their subdomains."""
    not_from_tools: bool = False
    """Nothing that stands in a tool's result, unless the user or the system prompt says it too."""

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if self == Limit.model_construct():
            raise ValueError(
                "says nothing; give required, one_of, matches, min, max, inside, "
                "hosts or not_from_tools"
            )
        return self


ArgumentName = Annotated[str, Field(min_length=1)]


class Call(FileModel):
    """What may stand in the arguments of one tool."""

    json_schema: dict[str, JsonValue] | None = None
    """A JSON Schema of draft 2020-12 that they have to fit."""
    arguments: dict[ArgumentName, Limit] = Field(default_factory=dict)
    """By name. ``order.total`` is the total within the order. Case makes no difference."""


class Check:
    """The limits of one argument, compiled."""

    def __init__(self, name: str, limit: Limit) -> None:
        """Compile.

        Raises:
            DetectorError: The pattern is none.
        """
        self.name = name
        self.limit = limit
        self._steps = _key(name).split(".")
        try:
            self._pattern = None if limit.matches is None else Regex(limit.matches)
        except DetectorError as exc:
            raise DetectorError(str(exc), path=("arguments", name, "matches")) from None

    def reached(self, arguments: Json) -> list[tuple[Path, Json]]:
        """The values that are spoken of, and where they stand."""
        return list(_reached(arguments, self._steps, ()))

    def faults(self, value: Json) -> Iterator[str]:
        """Which of the limits a value breaks; all but ``required`` and ``not_from_tools``."""
        limit = self.limit
        if limit.one_of is not None and not any(_is_same(value, each) for each in limit.one_of):
            yield "one_of"
        if self._pattern is not None and not _is_match(self._pattern, value):
            yield "matches"
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if limit.min is not None and not (is_number and value >= limit.min):
            yield "min"
        if limit.max is not None and not (is_number and value <= limit.max):
            yield "max"
        if limit.inside and not (isinstance(value, str) and is_inside(value, limit.inside)):
            yield "inside"
        if limit.hosts and not (isinstance(value, str) and leads_to(value, limit.hosts)):
            yield "hosts"


def _key(name: str) -> str:
    """Tools may bind names without regard to case."""
    return fold(name).casefold()


def _reached(value: Json, steps: Sequence[str], path: Path) -> Iterator[tuple[Path, Json]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _reached(item, steps, (*path, index))
    elif not steps:
        yield path, value
    elif isinstance(value, dict):
        for key, member in value.items():
            for taken in range(1, len(steps) + 1):
                if _key(key) == ".".join(steps[:taken]):
                    yield from _reached(member, steps[taken:], (*path, key))


def _is_same(value: Json, wanted: Scalar) -> bool:
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def _is_match(pattern: Regex, value: Json) -> bool:
    if not isinstance(value, str):
        return False
    data = value.encode("utf-8", "replace")
    return pattern.find_here(data, 0, len(data)) == (0, len(data))


def is_inside(path: str, folders: Iterable[str]) -> bool:
    """Whether a path leads into one of the folders, in every way in which it may be read.

    ``..`` never does, not even where it comes out inside: what is before it may be a link.
    """
    readings = [path]
    while (decoded := unquote(readings[-1])) != readings[-1]:
        readings.append(decoded)
        if len(readings) > _DEEPEST:
            return False
    readings += map(fold, list(readings))
    return all(map(_is_plain, readings)) and any(
        all(_begins_with(reading, folder) for reading in readings) for folder in folders
    )


def _is_plain(path: str) -> bool:
    """Whether a path leads where it says: no ``..``, home, variable or control character."""
    if _NOT_IN_A_PATH.search(path) or _EXPANDED.search(path):
        return False
    return not any(_DOTS.fullmatch(part) for part in path.replace("\\", "/").split("/"))


def _begins_with(path: str, folder: str) -> bool:
    path, folder = path.replace("\\", "/"), folder.replace("\\", "/")
    if path.startswith("//") or path.startswith("/") != folder.startswith("/"):
        return False
    held = _parts(folder)
    return _parts(path)[: len(held)] == held


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]


def leads_to(url: str, hosts: Iterable[str]) -> bool:
    """Whether this is an address of one of the hosts for every reader of addresses.

    So only what none of them reads differently: no user before the host, no backslash, blank or
    letter outside ASCII in it.
    """
    match = _URL.fullmatch(url)
    if match is None:
        return False
    there = match[1].lower().rstrip(".")
    return any(is_within(there, wanted) for wanted in hosts)
