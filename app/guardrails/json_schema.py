"""JSON Schemas, also those of strangers: no network, no pattern that explodes, no endless work.

The library checks; what it does with the standard library's ``re`` or without a bound is replaced
here. Draft 2020-12, without ``$dynamicRef`` and ``unevaluated…``.
"""

import json
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012
from typing_extensions import override

from app.domain.conversation import Json
from app.domain.errors import DetectorError
from app.guardrails.regex import Regex

_STEPS = 2_000
"""Keywords that are looked at even for a short text, and one more for each two code points: schemas
that refer to themselves can ask for 2^n."""
_MOST_MISFITS = 16
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_REFUSED = {"$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$id", "$anchor", "$schema"}
_UNEVALUATED = {"unevaluatedProperties", "unevaluatedItems"}

_steps_left: ContextVar[list[int]] = ContextVar("_steps_left")


@dataclass(frozen=True, slots=True)
class Misfit:
    """Where a value does not fit, and which keyword says so."""

    path: tuple[str | int, ...]
    keyword: str
    where: str
    """The path as a finding may tell it: names that the schema does not name are ``*``."""


class Schema:
    """A JSON Schema that is ready to check values."""

    def __init__(self, schema: Json, *, tells_names: bool = True) -> None:
        """Check the schema itself, and compile it.

        Args:
            schema: The schema.
            tells_names: Whether misfits may tell the names that the schema gives to properties.

        Raises:
            DetectorError: It is no schema, or uses what is refused; names no word of it.
        """
        try:
            _VALIDATOR.check_schema(schema, format_checker=FormatChecker(formats=()))
        except SchemaError as exc:
            where = "/".join(map(str, exc.absolute_path)) or "the whole"
            raise DetectorError(f"no JSON Schema of draft 2020-12: see {where}") from None
        except RecursionError:
            raise DetectorError("the JSON Schema is too deeply nested") from None
        if isinstance(schema, Mapping):
            # Where it names its draft, the library would go on with its own keywords for that.
            if str(schema.get("$schema", _DRAFT)).rstrip("#") != _DRAFT:
                raise DetectorError("$schema: only draft 2020-12")
            schema = {key: value for key, value in schema.items() if key != "$schema"}
        resource = DRAFT202012.create_resource(schema)
        registry: Registry[Json] = Registry()
        _admit(schema, registry.resolver_with_root(resource).lookup)
        self._names = frozenset(_names(schema) if tells_names else ())
        self._validator = _VALIDATOR(schema, registry=registry)

    def misfits(self, value: Json, length: int) -> list[Misfit]:
        """Where a value does not fit that is written in so many code points; at most sixteen.

        Raises:
            TimeoutError: The schema asks for more work than one text is worth.
            RecursionError: The schema or the value goes too deep.
        """
        token = _steps_left.set([_STEPS + length // 2])
        try:
            errors = list(islice(self._validator.iter_errors(quiet(value)), _MOST_MISFITS))
        finally:
            _steps_left.reset(token)
        return [self._misfit(error) for error in errors]

    def _misfit(self, error: ValidationError) -> Misfit:
        path = tuple(error.absolute_path)
        return Misfit(path, str(error.validator or "false"), self._where(path))

    def _where(self, path: tuple[str | int, ...]) -> str:
        told = "$"
        for step in path:
            if isinstance(step, int):
                told += f"[{step}]"
            else:
                told += f".{step if step in self._names else '*'}"
        return told


def stated_schema(schema: Mapping[str, Json]) -> Schema:
    """The schema that a client stated, compiled; of those seen last they are kept.

    Raises:
        DetectorError: As ``Schema`` does.
    """
    return _stated(json.dumps(schema))


@lru_cache(maxsize=256)
def _stated(dumped: str) -> Schema:
    return Schema(json.loads(dumped), tells_names=False)


def _admit(schema: Json, lookup: Callable[[str], object]) -> None:
    """Refuse what could reach the network, or could take long.

    Looks into everything, also where it is no schema: better to refuse too much.
    """
    for part in _objects(schema):
        for key, value in part.items():
            _admit_keyword(key, value, lookup)


def _admit_keyword(key: str, value: Json, lookup: Callable[[str], object]) -> None:
    if key in _UNEVALUATED or (key in _REFUSED and isinstance(value, str)):
        raise DetectorError(f"{key} is not taken here")
    if key == "$ref" and isinstance(value, str):
        if not value.startswith("#"):
            raise DetectorError("$ref: only places in the same schema, such as '#/$defs/address'")
        try:
            lookup(value)
        except Unresolvable:
            raise DetectorError("$ref: leads to no place in the schema") from None
    elif key == "pattern" and isinstance(value, str):
        _pattern(value)
    elif key == "patternProperties" and isinstance(value, dict):
        for pattern in value:
            _pattern(pattern)


def _objects(schema: Json) -> Iterator[dict[str, Json]]:
    """Every object in a JSON value."""
    unread = [schema]
    while unread:
        part = unread.pop()
        if isinstance(part, list):
            unread += part
        elif isinstance(part, dict):
            yield part
            unread += part.values()


def _names(schema: Json) -> Iterator[str]:
    """Every name that the schema gives to a property."""
    for part in _objects(schema):
        properties = part.get("properties")
        if isinstance(properties, dict):
            yield from properties


@lru_cache(maxsize=1024)
def _pattern(source: str) -> Regex:
    """Raises ``DetectorError`` where RE2 does not take the pattern."""
    return Regex(source)


def _matches(source: str, text: str) -> bool:
    data = text.encode("utf-8", "replace")
    return _pattern(source).find(data, 0, len(data)) is not None


# What is checked says nothing of itself: the library writes all that does not fit into a message
# that nobody reads, which for long values takes most of the time.


class _Text(str):
    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return "text"


class _Items(list[Json]):
    @override
    def __repr__(self) -> str:
        return "array"


class _Members(dict[str, Json]):
    @override
    def __repr__(self) -> str:
        return "object"


def quiet(value: Json) -> Json:
    """The same value, whose parts are not written out."""
    if isinstance(value, str):
        return _Text(value)
    if isinstance(value, list):
        return _Items(map(quiet, value))
    if isinstance(value, dict):
        return _Members((_Text(key), quiet(member)) for key, member in value.items())
    return value


# Keywords, where the library's own would not do

_Errors = Iterator[ValidationError]
_Keyword = Callable[[Any, Any, Any, Any], _Errors | None]


def _pattern_keyword(_validator: Any, pattern: str, value: Json, _schema: Json) -> _Errors:  # noqa: ANN401  # the library's
    if isinstance(value, str) and not _matches(pattern, value):
        yield ValidationError("pattern")


def _pattern_properties(validator: Any, patterns: Any, value: Json, _schema: Json) -> _Errors:  # noqa: ANN401  # the library's
    if isinstance(value, dict):
        for pattern, schema in patterns.items():
            for key, member in value.items():
                if _matches(pattern, key):
                    yield from validator.descend(member, schema, path=key, schema_path=pattern)


def _additional(validator: Any, extra: Any, value: Json, schema: Any) -> _Errors:  # noqa: ANN401  # the library's
    if isinstance(value, dict):
        named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        for key, member in value.items():
            if key not in named and not any(_matches(pattern, key) for pattern in patterns):
                yield from validator.descend(member, extra, path=key)


def _unique(_validator: Any, is_wanted: Any, value: Json, _schema: Json) -> _Errors:  # noqa: ANN401  # the library's
    if is_wanted and isinstance(value, list) and len(set(map(_hashable, value))) != len(value):
        yield ValidationError("uniqueItems")


def _hashable(value: Json) -> Hashable:
    """Equal for equal JSON values: 1 is 1.0, and true is not 1."""
    if isinstance(value, dict):
        return frozenset((key, _hashable(member)) for key, member in value.items())
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    return ("bool", value) if isinstance(value, bool) else value


def _counted(keyword: _Keyword) -> _Keyword:
    def count(validator: Any, setting: Any, value: Any, schema: Any) -> _Errors | None:  # noqa: ANN401  # the library's
        left = _steps_left.get()
        left[0] -= 1
        if left[0] < 0:
            raise TimeoutError
        return keyword(validator, setting, value, schema)

    return count


_OURS: Mapping[str, _Keyword] = {
    "pattern": _pattern_keyword,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
    "uniqueItems": _unique,
}
_extend: Callable[..., Any] = extend
_VALIDATOR = _extend(
    Draft202012Validator,
    {
        name: _counted(_OURS.get(name, keyword))
        for name, keyword in Draft202012Validator.VALIDATORS.items()
    },
)
