"""Reading a provider's JSON by tables: what no table names is refused, and nothing is quoted."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import orjson

from app.domain.conversation import Json
from app.domain.errors import BackendError, BackendProblem

_MAX_NAME_CHARS: Final = 64


def decoded(payload: bytes) -> dict[str, Json]:
    """A JSON object.

    Raises:
        BackendError: It is none.
    """
    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise broken("a piece of the provider's answer is not JSON") from None
    if type(value) is not dict:
        raise broken("a piece of the provider's answer is not a JSON object")
    return value


def refuse_unknown(fields: Mapping[str, Json], known: AbstractSet[str], where: str) -> None:
    """Refuse a field that is not known and has a value: no guard would have looked at it.

    Raises:
        BackendError: There is one.
    """
    if fields.keys() <= known:
        return
    for name, value in fields.items():
        if value and name not in known:
            is_plain = name.isascii() and name.isidentifier() and len(name) <= _MAX_NAME_CHARS
            shown = name if is_plain else "(a name that cannot be shown)"
            place = f"{where}.{shown}" if where else shown
            raise broken(
                f"{place}: the provider sent a field that this gateway does not know, "
                "so nothing has looked at it"
            )


def object_at(fields: Mapping[str, Json], name: str, where: str) -> dict[str, Json]:
    """An object that has to be there.

    Raises:
        BackendError: It is not.
    """
    value = fields.get(name)
    if type(value) is not dict:
        raise wrong(where, name, "an object")
    return value


def list_at(fields: Mapping[str, Json], name: str, where: str) -> list[Json]:
    """A list that has to be there.

    Raises:
        BackendError: It is not.
    """
    value = fields.get(name)
    if type(value) is not list:
        raise wrong(where, name, "a list")
    return value


def text_at(fields: Mapping[str, Json], name: str, where: str) -> str:
    """Text; none where the provider says null or nothing.

    Raises:
        BackendError: It is something else.
    """
    value = fields.get(name)
    if value is None:
        return ""
    if type(value) is not str:
        raise wrong(where, name, "text")
    return value


def word_at(fields: Mapping[str, Json], name: str, where: str) -> str:
    """Text that has to be there.

    Raises:
        BackendError: It is not, or it is empty.
    """
    value = text_at(fields, name, where)
    if not value:
        raise wrong(where, name, "text")
    return value


def count_at(fields: Mapping[str, Json], name: str, where: str) -> int:
    """A count; 0 where the provider says null or nothing.

    Raises:
        BackendError: It is something else.
    """
    value = fields.get(name)
    if value is None:
        return 0
    if type(value) is not int or value < 0:
        raise wrong(where, name, "a count")
    return value


def wrong(where: str, name: str, wanted: str) -> BackendError:
    """The field is not what it has to be."""
    place = f"{where}.{name}" if where else name
    return broken(f"{place}: the provider sent something that is not {wanted}")


def broken(message: str) -> BackendError:
    """The provider does not keep to its protocol."""
    return BackendError(BackendProblem.BROKEN, message)
