"""Shapes that hold other shapes: objects, lists, and what may be one thing or another."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

from typing_extensions import override

from app.api.shapes import MisfitError, Refused, Row, Shape, Text, printable
from app.domain.conversation import Json


def _unknown(key: str, fields: Mapping[str, Shape]) -> MisfitError:
    close = get_close_matches(key, list(fields), n=1)
    hint = f"; did you mean '{close[0]}'?" if close else " (see GET /v1/coverage)"
    what = f"not in the coverage table{hint}"
    return MisfitError(what, is_refused=True).at(f".{printable(key)}")


@dataclass(frozen=True, slots=True)
class Object(Shape):
    """An object with known fields; any other field is refused."""

    fields: Mapping[str, Shape]
    required: frozenset[str] = frozenset()
    extensions: frozenset[str] = frozenset()
    """Fields that the vendor's own types do not have."""

    @override
    def admit(self, value: Json) -> None:
        if type(value) is not dict:
            raise MisfitError("must be an object")
        fields = self.fields
        for key, item in value.items():
            shape = fields.get(key)
            if shape is None:
                raise _unknown(key, fields)
            if item is None:
                continue
            try:
                shape.admit(item)
            except MisfitError as misfit:
                misfit.at(f".{key}")
                raise
        for key in self.required:
            if value.get(key) is None:
                raise MisfitError("is required").at(f".{key}")

    @override
    def rows(self, path: str) -> Iterator[Row]:
        for key, shape in self.fields.items():
            for row in shape.rows(f"{path}.{key}" if path else key):
                yield replace(row, is_extension=True) if key in self.extensions else row

    @override
    def schema(self) -> dict[str, Json]:
        properties = {
            key: shape.schema()
            for key, shape in self.fields.items()
            if not isinstance(shape, Refused)
        }
        made: dict[str, Json] = {"type": "object", "properties": properties}
        if self.required:
            made["required"] = sorted(self.required)
        return made | {"additionalProperties": False}


@dataclass(frozen=True, slots=True)
class Items(Shape):
    """A list."""

    item: Shape
    least: int = 0
    most: int | None = None

    @override
    def admit(self, value: Json) -> None:
        if type(value) is not list:
            raise MisfitError("must be a list")
        if len(value) < self.least:
            items = "item" if self.least == 1 else "items"
            raise MisfitError(f"must have at least {self.least} {items}")
        if self.most is not None and len(value) > self.most:
            raise MisfitError(f"must have at most {self.most} items")
        for index, item in enumerate(value):
            try:
                self.item.admit(item)
            except MisfitError as misfit:
                misfit.at(f"[{index}]")
                raise

    @override
    def rows(self, path: str) -> Iterator[Row]:
        yield from self.item.rows(f"{path}[]")

    @override
    def schema(self) -> dict[str, Json]:
        made: dict[str, Json] = {"type": "array", "items": self.item.schema()}
        if self.least:
            made["minItems"] = self.least
        if self.most is not None:
            made["maxItems"] = self.most
        return made


@dataclass(frozen=True, slots=True)
class Kinds(Shape):
    """Objects of several kinds, told apart by one field, which every kind declares itself."""

    key: str
    kinds: Mapping[str, Object | Refused]
    default: str | None = None
    """The kind of those that do not say theirs."""
    extensions: frozenset[str] = frozenset()
    """Kinds that the vendor's own types do not have."""

    def of(self, value: Json) -> Object | Refused | None:
        """The shape of an object; none where its kind is not known."""
        kind = value.get(self.key)
        if kind is None:
            kind = self.default
        return self.kinds.get(kind) if type(kind) is str else None

    @override
    def admit(self, value: Json) -> None:
        if type(value) is not dict:
            raise MisfitError("must be an object")
        shape = self.of(value)
        if shape is None:
            raise MisfitError(f"must be one of: {', '.join(self.kinds)}").at(f".{self.key}")
        shape.admit(value)

    @override
    def rows(self, path: str) -> Iterator[Row]:
        for kind, shape in self.kinds.items():
            for row in shape.rows(f"{path}({self.key}={kind})"):
                yield replace(row, is_extension=True) if kind in self.extensions else row

    @override
    def schema(self) -> dict[str, Json]:
        kinds = [shape.schema() for shape in self.kinds.values() if isinstance(shape, Object)]
        return {"anyOf": kinds}


@dataclass(frozen=True, slots=True)
class TextOr(Shape):
    """Text, where anything else is let through by no table."""

    text: Text
    other: Refused

    @override
    def admit(self, value: Json) -> None:
        (self.text if type(value) is str else self.other).admit(value)

    @override
    def rows(self, path: str) -> Iterator[Row]:
        yield from self.text.rows(path)
        yield from self.other.rows(f"{path}[]")

    @override
    def schema(self) -> dict[str, Json]:
        return self.text.schema()


@dataclass(frozen=True, slots=True)
class Either(Shape):
    """One shape for a string, another for a list or an object."""

    text: Shape
    other: Items | Kinds

    @override
    def admit(self, value: Json) -> None:
        if type(value) is str:
            self.text.admit(value)
        elif type(value) is list or type(value) is dict:
            self.other.admit(value)
        else:
            raise MisfitError("must be a string, a list or an object")

    @override
    def rows(self, path: str) -> Iterator[Row]:
        yield from self.text.rows(path)
        yield from self.other.rows(path)

    @override
    def schema(self) -> dict[str, Json]:
        return {"anyOf": [self.text.schema(), self.other.schema()]}
