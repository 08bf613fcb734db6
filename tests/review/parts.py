"""Every part of a value of our types, each changed in turn: found by the types, never listed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import date, timedelta
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

Hint = Any
"""A type, as annotations write it."""
Varied = tuple[str, Any]
"""The path to a part, and the whole with that part changed."""


@dataclass(frozen=True)
class Parts:
    """Changes one part after another."""

    others: Mapping[str, object]
    """By path, what a part may be instead, where its type does not tell."""

    def of(self, value: object, hint: Hint = None, path: str = "") -> Iterator[Varied]:
        """A whole with each of its parts changed, one at a time.

        Raises:
            AssertionError: A part is empty, so that nothing below it would be tried.
        """
        if isinstance(value, BaseModel):
            for name, info in type(value).model_fields.items():
                below = self.of(getattr(value, name), info.annotation, f"{path}.{name}")
                for at, part in below:
                    yield at, value.model_copy(update={name: part})
        elif is_dataclass(value) and not isinstance(value, type):
            hints = get_type_hints(type(value), include_extras=True)
            for each in fields(value):
                below = self.of(getattr(value, each.name), hints[each.name], f"{path}.{each.name}")
                for at, part in below:
                    yield at, replace(value, **{each.name: part})
        elif isinstance(value, Mapping | tuple | frozenset):
            assert value, f"{path} is empty: fill it, so that its parts are tried"
            yield from self._of_several(value, hint, path)
        else:
            assert value is not None, f"{path} is none: fill it, so that its parts are tried"
            yield path, self.others[path] if path in self.others else _another(value, hint)

    def _of_several(
        self, value: Mapping[Any, Any] | tuple[Any, ...] | frozenset[Any], hint: Hint, path: str
    ) -> Iterator[Varied]:
        options = _options(hint) or (None,)
        match value:
            case frozenset():
                yield f"{path}.-", frozenset(list(value)[1:])
            case tuple():
                for index, each in enumerate(value):
                    for at, part in self.of(each, options[0], f"{path}[{index}]"):
                        yield at, (*value[:index], part, *value[index + 1 :])
                yield f"{path}.-", value[1:]
            case _:
                for key, each in value.items():
                    for at, part in self.of(each, options[-1], f"{path}.{key}"):
                        yield at, {**value, key: part}
                yield f"{path}.-", {key: value[key] for key in list(value)[1:]}


def _another(value: object, hint: Hint) -> object:
    if choices := _choices(hint):
        return next(each for each in choices if each != value)
    match value:
        case bool():
            return not value
        case Enum():
            return next(each for each in type(value) if each is not value)
        case str():
            return f"{value}-other"
        case int() | float():
            return value + 1
        case date():
            return value + timedelta(days=1)
        case _:
            raise AssertionError(f"nobody knows another value of {type(value).__name__}")


def _choices(hint: Hint) -> tuple[object, ...]:
    origin: object = get_origin(hint)
    if origin is Annotated:
        return _choices(get_args(hint)[0])
    if origin in (Union, UnionType):
        return tuple(each for option in get_args(hint) for each in _choices(option))
    return get_args(hint) if origin is Literal else ()


def _options(hint: Hint) -> tuple[Hint, ...]:
    origin: object = get_origin(hint)
    if origin is Annotated:
        return _options(get_args(hint)[0])
    if origin in (Union, UnionType):
        return next((found for each in get_args(hint) if (found := _options(each))), ())
    return tuple(get_args(hint))
