"""Writes YAML that our strict reader, and any other of YAML 1.2, reads as it was meant."""

import json
import re
from collections.abc import Iterator

from app.domain.conversation import Json

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_ .'/-]*[A-Za-z0-9.]|[A-Za-z]")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan"}
"""That some reader or other takes for something else than text."""


def quoted(text: str) -> str:
    """In double quotes as YAML 1.2 reads them: as JSON, and what does not print by its number."""
    told = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in told)


def yaml_text(value: Json) -> str:
    """A mapping or list as a file."""
    return "".join(f"{line}\n" for line in _lines(value))


def scalar_text(value: Json) -> str:
    """One value that is no mapping or list, as it may stand anywhere in a line."""
    return _scalar(value)


def _lines(value: Json) -> Iterator[str]:
    match value:
        case dict() if value:
            for key, inner in value.items():
                yield from _hung(f"{_scalar(key)}:", inner)
        case list() if value:
            for inner in value:
                yield from _item(inner)
        case _:
            yield _scalar(value)


def _is_block(text: str) -> bool:
    """Whether its lines can stand as they are, below a key."""
    lines = text.split("\n")
    return (
        len(lines) > 1
        and all(line.isprintable() and line == line.rstrip() for line in lines)
        and bool(lines[0] and lines[-1])
        and lines[0][0] not in " #"
    )


def _hung(key: str, inner: Json) -> Iterator[str]:
    """A value beside its key where it is short, else below it."""
    if isinstance(inner, str) and _is_block(inner):
        yield f"{key} |-"
        yield from (f"  {line}".rstrip() for line in inner.split("\n"))
        return
    if not inner or not isinstance(inner, dict | list):
        yield f"{key} {_scalar(inner)}"
        return
    yield key
    yield from (f"  {line}" for line in _lines(inner))


def _item(inner: Json) -> Iterator[str]:
    first, *more = _lines(inner)
    yield f"- {first}"
    yield from (f"  {line}" for line in more)


def _scalar(value: Json) -> str:
    if isinstance(value, str):
        is_plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
        return value if is_plain else quoted(value)
    return json.dumps(value)
