"""Shapes of pictures and files: bytes that nobody looks inside, and addresses of such."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from typing_extensions import override

from app.api.shapes import MisfitError, Refused, Row, Shape, Text, Treatment, Word
from app.domain.conversation import Inline, Json, Linked
from app.domain.links import host_of_link

_UNSEEN = (
    "no detector looks inside; the policy's 'media' says which types, how large, how many and for"
    " whom, and the record counts them"
)
_DATA_URL = re.compile(r"data:([a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60});base64,", re.IGNORECASE)
_DATA_FORM = "data:<media type>;base64,<bytes>"
FILE_NAME = Text(max_chars=255)
FILE_ID = Refused("a provider's files are out of reach of policy; send the bytes in the request")
DETAIL = Word(("auto", "low", "high"))


@dataclass(frozen=True, slots=True)
class Bytes(Shape):
    """Bytes in base64. What they are is checked where policy is known."""

    @override
    def admit(self, value: Json) -> None:
        if type(value) is not str:
            raise MisfitError("must be bytes in base64")

    @override
    def rows(self, path: str) -> Iterator[Row]:
        yield Row(path, Treatment.OPAQUE, "base64", _UNSEEN)

    @override
    def schema(self) -> dict[str, Json]:
        return {"type": "string", "contentEncoding": "base64"}


@dataclass(frozen=True, slots=True)
class DataUrl(Shape):
    """The same, with their media type before them."""

    @override
    def admit(self, value: Json) -> None:
        if type(value) is not str or _DATA_URL.match(value) is None:
            raise MisfitError(f"must be a data URL: {_DATA_FORM}")

    @override
    def rows(self, path: str) -> Iterator[Row]:
        yield Row(path, Treatment.OPAQUE, _DATA_FORM, _UNSEEN)

    @override
    def schema(self) -> dict[str, Json]:
        return {"type": "string", "pattern": "^data:"}


@dataclass(frozen=True, slots=True)
class Link(Shape):
    """Where a provider is to fetch from. Policy looks at its text, and names the hosts."""

    @override
    def admit(self, value: Json) -> None:
        if type(value) is not str:
            raise MisfitError("must be an https address")
        try:
            host_of_link(value)
        except ValueError as exc:
            raise MisfitError(str(exc)) from None

    @override
    def rows(self, path: str) -> Iterator[Row]:
        yield Row(path, Treatment.GUARDED, "an https address of one of the policy's 'media' hosts")

    @override
    def schema(self) -> dict[str, Json]:
        return {"type": "string", "pattern": "^https://"}


_BYTES, _LINK = DataUrl(), Link()


@dataclass(frozen=True, slots=True)
class LinkOrData(Shape):
    """An address, or a data URL."""

    @override
    def admit(self, value: Json) -> None:
        (_BYTES if _is_data(value) else _LINK).admit(value)

    @override
    def rows(self, path: str) -> Iterator[Row]:
        yield from _BYTES.rows(path)
        yield from _LINK.rows(path)

    @override
    def schema(self) -> dict[str, Json]:
        return {"type": "string", "pattern": "^(?:https://|data:)"}


def source_of(url: str) -> Inline | Linked:
    """What an address or data URL that was admitted stands for."""
    found = _DATA_URL.match(url)
    return Linked(url) if found is None else Inline(found[1].lower(), url[found.end() :])


def _is_data(value: Json) -> bool:
    return type(value) is str and value[:5].lower() == "data:"
