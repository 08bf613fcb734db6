"""Where two values differ, part by part, in words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from app.review.change import listed

_LONGEST = 40
_MOST = 6
_PLAIN = (str, int, float, bool)

Difference = tuple[str, object, object]
"""The path to a part, and what it was and is; none where it is not there."""


def differences(before: object, after: object, path: str = "") -> Iterator[Difference]:
    """Every part that differs, the smallest ones: mappings by key, lists of things by their id."""
    ours, theirs = _parts(after), _parts(before)
    if ours is None or theirs is None:
        if after != before:
            yield path, before, after
        return
    found = False
    for key in dict.fromkeys((*theirs, *ours)):
        below = f"{path}.{key}" if path else key
        for each in differences(theirs.get(key), ours.get(key), below):
            found = True
            yield each
    if not found and before != after:  # such as the same things in another order
        yield path, before, after


def _parts(value: object) -> Mapping[str, Any] | None:
    if isinstance(value, Mapping):
        return {str(key): each for key, each in value.items()}
    if isinstance(value, list | tuple):
        ids = [each.get("id") if isinstance(each, Mapping) else None for each in value]
        if None not in ids:
            return {str(name): each for name, each in zip(ids, value, strict=True)}
    return None


def plain(value: object) -> Any:  # noqa: ANN401  # JSON, of any shape
    """A value of a file's model as JSON; anything else as it is."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return value


def in_words(before: object, after: object) -> str:
    """What differs, with values where they are short; empty where no part can be named."""
    return _listed(differences(before, after), _with_values)


def paths_in_words(found: Sequence[Difference]) -> str:
    """What differs, without any value: some may be secrets."""
    return _listed(iter(found), lambda each: each[0])


def _listed(found: Iterator[Difference], say: Callable[[Difference], str]) -> str:
    said = list(dict.fromkeys(say(each) for each in found if each[0]))
    if len(said) > _MOST:
        said = [*said[:_MOST], f"{len(said) - _MOST} more"]
    return listed(said) if said else ""


def _with_values(each: Difference) -> str:
    path, before, after = each
    if before is None:
        return f"{path} is {_shown(after) if _is_short(after) else 'new'}"
    if after is None:
        return f"{path} is {f'no longer {_shown(before)}' if _is_short(before) else 'gone'}"
    if _is_short(before) and _is_short(after):
        return f"{path} is {_shown(after)} instead of {_shown(before)}"
    return path


def _is_short(value: object) -> bool:
    return isinstance(value, _PLAIN) and len(str(value)) <= _LONGEST


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if isinstance(value, str) else f"{value:g}"
