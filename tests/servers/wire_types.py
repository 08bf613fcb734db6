"""Checks JSON values against typed dictionaries, as strictly as a careful provider would."""

from collections.abc import Iterable, Mapping, Sequence
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
)

from typing_extensions import get_type_hints, is_typeddict

SCALARS: dict[object, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    float: (int, float),
    bool: (bool,),
}


def problems(value: object, wanted: Any, where: str) -> list[str]:  # noqa: ANN401, PLR0911  # any type form, one return for each kind
    """What is wrong with a JSON value, as sentences; none where it is of the type.

    A field that a typed dictionary does not name is a problem, at any depth.
    """
    origin, args = get_origin(wanted), get_args(wanted)
    if origin in (Annotated, Required, NotRequired):
        return problems(value, args[0], where)
    if origin in (Union, UnionType):
        return _union_problems(value, args, where)
    if origin is Literal:
        is_one = any(value == arg and type(value) is type(arg) for arg in args)
        return [] if is_one else [f"{where} must be one of {args}"]
    if is_typeddict(wanted):
        return _fields_problems(value, wanted, where)
    if wanted in SCALARS:
        is_it = isinstance(value, SCALARS[wanted]) and isinstance(value, bool) == (wanted is bool)
        return [] if is_it else [f"{where} must be {wanted.__name__}"]
    if wanted is None or wanted is NoneType:
        return [] if value is None else [f"{where} must be null"]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping_problems(value, args[1], where)
    if isinstance(origin, type) and issubclass(origin, Iterable | Sequence):
        return _list_problems(value, args[0], where)
    if wanted in (object, Any):
        return []
    raise NotImplementedError(f"{where}: {wanted} is a kind of type that this check does not know")


def _union_problems(value: object, options: tuple[Any, ...], where: str) -> list[str]:
    each = [problems(value, option, where) for option in options if not _is_object(option)]
    return [] if any(not found for found in each) else min(each, key=len)


def _is_object(option: object) -> bool:
    """Whether it is a class whose objects packages take beside JSON: files, models of answers."""
    cls = get_origin(option) or option
    return (
        isinstance(cls, type)
        and not is_typeddict(cls)
        and cls not in (*SCALARS, object, NoneType)
        and not issubclass(cls, Iterable | Mapping)
    )


def _fields_problems(value: object, wanted: Any, where: str) -> list[str]:  # noqa: ANN401  # any type form
    if not isinstance(value, dict):
        return [f"{where} must be an object"]
    hints: dict[str, Any] = get_type_hints(wanted, include_extras=True)
    # `__required_keys__` misses what is declared as `Required` in a module with lazy annotations.
    required = wanted.__required_keys__ | {
        name for name, hint in hints.items() if get_origin(hint) is Required
    }
    found = [f"{where}.{name} is missing" for name in sorted(required - value.keys())]
    for name, field in value.items():
        if name in hints:
            found += problems(field, hints[name], f"{where}.{name}")
        else:
            found.append(f"{where}.{name} is no field of this request")
    return found


def _mapping_problems(value: object, wanted: Any, where: str) -> list[str]:  # noqa: ANN401  # any type form
    if not isinstance(value, dict):
        return [f"{where} must be an object"]
    return [each for name, item in value.items() for each in problems(item, wanted, where + name)]


def _list_problems(value: object, wanted: Any, where: str) -> list[str]:  # noqa: ANN401  # any type form
    if not isinstance(value, list):
        return [f"{where} must be a list"]
    return [
        each
        for index, item in enumerate(value)
        for each in problems(item, wanted, f"{where}[{index}]")
    ]
