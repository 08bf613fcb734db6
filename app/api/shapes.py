"""Shapes of JSON fields: what a field may hold, and how policy treats it.

A table of shapes is at once the parser's walk (``admit``), the lines of ``GET /v1/coverage``
(``rows``) and the schema in ``/openapi.json`` (``schema``), so that none of them can say
something that the others do not do. ``null`` is read as absent: it carries nothing.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from typing_extensions import override

from app.domain.conversation import Json
from app.domain.errors import FieldRefusedError, RequestError

MAX_DEPTH = 64
"""How deep free JSON (a JSON Schema, a field that a persona passes through) may nest."""


class Treatment(StrEnum):
    """How policy treats a field."""

    GUARDED = "guarded"
    """Its text goes through the policy before it goes anywhere."""
    CONSTRAINED = "constrained"
    """It can hold only what is listed: words, numbers, truth values, short ids."""
    OPAQUE = "opaque"
    """Nobody looks at it. It reaches no model and no user, but for bytes of pictures and files,
    which policy lets in and out by type, size, number and audience: their reason says so."""
    REFUSED = "refused"
    """It is not let through."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the coverage table."""

    path: str
    treatment: Treatment
    holds: str
    reason: str = ""
    is_extension: bool = False
    """Ours, or common among compatible servers; the vendor's own types do not have it."""


class MisfitError(Exception):
    """A value that its shape does not admit; containers add the way to it as it passes."""

    def __init__(self, what: str, *, is_refused: bool = False, code: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.is_refused = is_refused
        self._code = code or "field_refused"
        self._way: list[str] = []

    def at(self, step: str) -> "MisfitError":
        """Add a step, innermost first: ``.name`` or ``[3]``."""
        self._way.append(step)
        return self

    def as_request_error(self) -> RequestError:
        """The error that the caller gets."""
        path = "".join(reversed(self._way)).removeprefix(".")
        if self.is_refused:
            return FieldRefusedError(path, self.what, code=self._code)
        message = f"{path}: {self.what}" if path else f"The body {self.what}"
        return RequestError(message, param=path or None, code="invalid_value")


def admit(shape: "Shape", value: Json, path: str = "") -> None:
    """Check a value, which stands at ``path``, against its shape.

    Raises:
        FieldRefusedError: A field that the table does not know, or that it refuses.
        RequestError: A value that its field cannot hold.
    """
    try:
        shape.admit(value)
    except MisfitError as misfit:
        raise misfit.at(path).as_request_error() from None


def printable(name: str) -> str:
    """A field name as it may be quoted in an error: bounded, and nothing but plain ASCII."""
    return re.sub(r"[^A-Za-z0-9_.-]", "?", name[:40])


class Shape(ABC):
    """What a field may hold."""

    @abstractmethod
    def admit(self, value: Json) -> None:
        """Raise ``MisfitError`` unless the value has this shape."""

    @abstractmethod
    def rows(self, path: str) -> Iterator[Row]:
        """The table's lines for this shape at a path."""

    @abstractmethod
    def schema(self) -> dict[str, Json]:
        """As JSON Schema."""


@dataclass(frozen=True, slots=True)
class Text(Shape):
    """Text that policy looks at."""

    max_chars: int | None = None
    pattern: re.Pattern[str] | None = None
    """Besides being looked at, it must be of this form."""
    form: str = "text"

    @override
    def admit(self, value: Json) -> None:
        if type(value) is not str:
            raise MisfitError("must be a string")
        if self.max_chars is not None and len(value) > self.max_chars:
            raise MisfitError(f"must have at most {self.max_chars} characters")
        if self.pattern is not None and not self.pattern.fullmatch(value):
            raise MisfitError(f"must be {self.form}")

    @override
    def rows(self, path: str) -> Iterator[Row]:
        yield Row(path, Treatment.GUARDED, self.form)

    @override
    def schema(self) -> dict[str, Json]:
        return {"type": "string"} | ({"maxLength": self.max_chars} if self.max_chars else {})


@dataclass(frozen=True, slots=True)
class FreeJson(Shape):
    """An object of any form, such as a JSON Schema; policy looks at all its keys and strings."""

    form: str = "JSON Schema: every key and string that is not a word of JSON Schema itself"
    is_one_text: bool = False
    """Policy looks at it as at the one text that it is written as."""

    @override
    def admit(self, value: Json) -> None:
        if type(value) is not dict:
            raise MisfitError("must be an object")
        level: list[Json] = [value]
        for _ in range(MAX_DEPTH):
            level = [
                inner
                for outer in level
                for inner in (outer.values() if type(outer) is dict else outer)
                if type(inner) is dict or type(inner) is list
            ]
            if not level:
                return
        raise MisfitError(f"must not nest deeper than {MAX_DEPTH} levels")

    @override
    def rows(self, path: str) -> Iterator[Row]:
        yield Row(path, Treatment.GUARDED, self.form)

    @override
    def schema(self) -> dict[str, Json]:
        return {"type": "object"}


_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Variables(Shape):
    """Values by name; policy looks at the strings."""

    @override
    def admit(self, value: Json) -> None:
        if type(value) is not dict:
            raise MisfitError("must be an object")
        for name, item in value.items():
            if not _VARIABLE_NAME.fullmatch(name):
                raise MisfitError("must have names of letters, digits and '_', at most 64 long")
            if type(item) not in (str, int, float, bool):
                what = "must be a string, a number, true or false"
                raise MisfitError(what).at(f".{printable(name)}")

    @override
    def rows(self, path: str) -> Iterator[Row]:
        yield Row(f"{path}.*", Treatment.GUARDED, "text, a number or a truth value")

    @override
    def schema(self) -> dict[str, Json]:
        scalars: Json = ["string", "number", "boolean"]
        return {"type": "object", "additionalProperties": {"type": scalars}}


@dataclass(frozen=True, slots=True)
class Word(Shape):
    """One of a closed list of words."""

    words: tuple[str, ...]

    @override
    def admit(self, value: Json) -> None:
        if type(value) is not str or value not in self.words:
            raise MisfitError(f"must be {self.form()}")

    def form(self) -> str:
        """In words."""
        return f"one of: {', '.join(self.words)}"

    @override
    def rows(self, path: str) -> Iterator[Row]:
        yield Row(path, Treatment.CONSTRAINED, self.form())

    @override
    def schema(self) -> dict[str, Json]:
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Only(Shape):
    """A field that may say one thing."""

    value: int | bool | str
    reason: str

    @override
    def admit(self, value: Json) -> None:
        if type(value) is not type(self.value) or value != self.value:
            raise MisfitError(f"must be {self._json()}: {self.reason}", is_refused=True)

    def _json(self) -> str:
        return str(self.value).lower()

    @override
    def rows(self, path: str) -> Iterator[Row]:
        yield Row(path, Treatment.CONSTRAINED, f"only {self._json()}", self.reason)

    @override
    def schema(self) -> dict[str, Json]:
        return {"const": self.value}


@dataclass(frozen=True, slots=True)
class Number(Shape):
    """A number in a range, both ends included."""

    low: float
    high: float
    is_whole: bool = False

    @override
    def admit(self, value: Json) -> None:
        kind = type(value)
        if kind is not int and (self.is_whole or kind is not float):
            raise MisfitError(f"must be {self.form()}")
        if not self.low <= value <= self.high:
            raise MisfitError(f"must be {self.form()}")

    def form(self) -> str:
        """In words."""
        noun = "a whole number" if self.is_whole else "a number"
        return f"{noun} from {self.low} to {self.high}"

    @override
    def rows(self, path: str) -> Iterator[Row]:
        yield Row(path, Treatment.CONSTRAINED, self.form())

    @override
    def schema(self) -> dict[str, Json]:
        kind = "integer" if self.is_whole else "number"
        return {"type": kind, "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Flag(Shape):
    """True or false."""

    @override
    def admit(self, value: Json) -> None:
        if type(value) is not bool:
            raise MisfitError("must be true or false")

    @override
    def rows(self, path: str) -> Iterator[Row]:
        yield Row(path, Treatment.CONSTRAINED, "true or false")

    @override
    def schema(self) -> dict[str, Json]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Id(Shape):
    """A short name of a fixed form."""

    pattern: re.Pattern[str]
    form: str

    @override
    def admit(self, value: Json) -> None:
        if type(value) is not str or not self.pattern.fullmatch(value):
            raise MisfitError(f"must be {self.form}")

    @override
    def rows(self, path: str) -> Iterator[Row]:
        yield Row(path, Treatment.CONSTRAINED, self.form)

    @override
    def schema(self) -> dict[str, Json]:
        return {"type": "string", "pattern": f"^(?:{self.pattern.pattern})$"}


NAME = Id(re.compile(r"[\w.-]{1,80}"), "an id of at most 80 letters, digits, '_', '.' and '-'")
"""Of a persona, policy, audience or the like."""


@dataclass(frozen=True, slots=True)
class Opaque(Shape):
    """What nobody looks at, because it goes to no model and to no other user."""

    reason: str
    max_chars: int | None = 512
    """For a string; none where any JSON may stand."""

    @override
    def admit(self, value: Json) -> None:
        if self.max_chars is None:
            return
        if type(value) is not str or len(value) > self.max_chars:
            raise MisfitError(f"must be a string of at most {self.max_chars} characters")

    @override
    def rows(self, path: str) -> Iterator[Row]:
        holds = "anything" if self.max_chars is None else f"at most {self.max_chars} characters"
        yield Row(path, Treatment.OPAQUE, holds, self.reason)

    @override
    def schema(self) -> dict[str, Json]:
        return {} if self.max_chars is None else {"type": "string", "maxLength": self.max_chars}


@dataclass(frozen=True, slots=True)
class Refused(Shape):
    """What is not let through, with all that is below it."""

    reason: str
    code: str = ""
    """Of the error, for clients that then go on without the field."""

    @override
    def admit(self, value: Json) -> NoReturn:
        raise MisfitError(self.reason, is_refused=True, code=self.code)

    @override
    def rows(self, path: str) -> Iterator[Row]:
        yield Row(path, Treatment.REFUSED, "nothing", self.reason)

    @override
    def schema(self) -> dict[str, Json]:
        return {"not": {}}
