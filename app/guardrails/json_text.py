"""Read text that should be JSON: one reading or none, and where in the text a value stands."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from app.domain.conversation import Json
from app.domain.finding import Finding, Unchecked
from app.guardrails.places import Span

_DECODER = json.JSONDecoder()
_BLANK = " \t\n\r"


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a text does not read as one JSON value."""

    category: str
    """``not_json`` or ``duplicate_key``."""
    what: str


NOT_JSON = Flaw("not_json", "not one JSON value")
DUPLICATE_KEY = Flaw(
    "duplicate_key", "an object names a key twice, and readers differ on which counts"
)
TOO_MUCH = Unchecked("too deeply nested, or a number with too many digits")


@dataclass(frozen=True, slots=True)
class Value:
    """What a text reads as."""

    json: Json


class _DuplicateKeyError(ValueError):
    pass


def read_json(text: str) -> Value | Flaw | Unchecked:
    """The value; what is wrong with the text; or that this cannot be told."""
    try:
        return Value(json.loads(text, object_pairs_hook=_members, parse_constant=_refuse))
    except json.JSONDecodeError:
        return NOT_JSON
    except _DuplicateKeyError:
        return DUPLICATE_KEY
    except (ValueError, RecursionError):
        return TOO_MUCH


def read_arguments(text: str) -> Value | Flaw | Unchecked:
    """As ``read_json``; a call without arguments gives none."""
    return read_json(text) if text.strip() else Value({})


def _members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _DuplicateKeyError
    return members


def _refuse(_constant: str) -> NoReturn:
    """``NaN`` and ``Infinity`` are Python's, not JSON's."""
    raise json.JSONDecodeError("no JSON", "", 0)


def place_in(text: str, path: Sequence[str | int]) -> Span:
    """Where a value stands in a text that ``read_json`` has read.

    Args:
        text: The whole text; all of it stands for the arguments of a call without any.
        path: Keys and indexes, from the outside in. What is not there stands for what holds it.
    """
    if not text.strip():
        return 0, len(text)
    start = _after_blank(text, 0)
    for step in path:
        inner = _member(text, start, step)
        if inner is None:
            break
        start = inner
    return start, _DECODER.raw_decode(text, start)[1]


def _member(text: str, start: int, step: str | int) -> int | None:
    """Where a member of the object or array that begins at ``start`` begins."""
    opening, at, number = text[start], _after_blank(text, start + 1), 0
    while opening in "{[" and text[at] not in "}]":
        name: str | int = number
        if opening == "{":
            name, at = _DECODER.raw_decode(text, at)
            at = _after_blank(text, _after_blank(text, at) + 1)
        if name == step:
            return at
        at = _after_blank(text, _DECODER.raw_decode(text, at)[1])
        at = _after_blank(text, at + 1) if text[at] == "," else at
        number += 1
    return None


def _after_blank(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def one_each(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Ordered by place; the same thing is told once."""
    return tuple(
        sorted(dict.fromkeys(findings), key=lambda f: (f.start, f.end, f.category, f.explanation))
    )
