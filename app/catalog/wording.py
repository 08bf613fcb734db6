"""Says what is wrong with a value in the words of the file that holds it.

Pydantic finds the mistakes; its own words (``Input should be …``) never reach the reader.
"""

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from app.catalog.document import Node, Step
from app.domain.conversation import Json
from app.domain.errors import ContentError, Problem

ModelT = TypeVar("ModelT", bound=BaseModel)

_KINDS = {
    "string_type": "text",
    "string_sub_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "date_type": "a date such as 2027-01-31",
    "date_parsing": "a date such as 2027-01-31",
    "date_from_datetime_parsing": "a date such as 2027-01-31",
    "date_from_datetime_inexact": "a date such as 2027-01-31",
    "none_required": "left out",
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "a mapping"),
    **dict.fromkeys(("mapping_type", "dataclass_type"), "a mapping"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type"), "a list"),
}
_BOUNDS = {
    "greater_than": ("gt", "is not above {}"),
    "greater_than_equal": ("ge", "is below {}, the least allowed"),
    "less_than": ("lt", "is not below {}"),
    "less_than_equal": ("le", "is above {}, the most allowed"),
    "multiple_of": ("multiple_of", "is not a multiple of {}"),
    "too_short": ("min_length", "needs at least {}"),
    "too_long": ("max_length", "may hold at most {}"),
    "string_too_short": ("min_length", "needs at least {} characters"),
    "string_too_long": ("max_length", "may have at most {} characters"),
    "string_pattern_mismatch": ("pattern", "does not look like {}"),
}
_TAGS = {"union_tag_invalid", "union_tag_not_found"}
_QUOTED = re.compile(r"'([^']*)'")


def read_as(
    model: type[ModelT],
    node: Node,
    *,
    given: Mapping[str, Json] | None = None,
    context: object = None,
    echoes_values: bool = True,
) -> ModelT:
    """Validate what a person wrote. Nothing is converted: ``"5"`` is no number, ``5`` no text.

    Mappings come out in the order of their keys, so that files that differ only in order give
    equal values.

    Args:
        model: What the value must be.
        node: The value.
        given: Keys that the file does not hold, such as the id.
        context: For validators of the model.
        echoes_values: Whether problems may print values. Keys and paths are printed either way.

    Raises:
        ContentError: Every mistake, each where it stands.
    """
    value = node.plain()
    if isinstance(value, dict):
        value = {**value, **(given or {})}
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    try:
        return model.model_validate_json(text, strict=True, context=context)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False)
    raise ContentError(_problems(errors, node, model, echoes_values=echoes_values))


def choices(value: str | None, allowed: Collection[str], *, limit: int = 24) -> str:
    """``; did you mean 'block'? (allow, flag, block)``, as far as it can be said."""
    said = ""
    near = difflib.get_close_matches(value, list(allowed), n=1) if value else []
    if near:
        said = f"; did you mean '{near[0]}'?"
    if not allowed or (len(allowed) > limit and near):
        return said
    shown = list(allowed)[:limit]
    more = ", …" if len(allowed) > limit else ""
    return f"{said or ';'} ({', '.join(shown)}{more})"


def unknown(kind: str, value: str, known: Collection[str]) -> str:
    """``is 'assistent', and there is no such prompt; did you mean 'assistant'? (assistant)``."""
    return f"is '{value}', and there is no such {kind}{choices(value, sorted(known))}"


def _problems(
    errors: Sequence[ErrorDetails], node: Node, model: type[BaseModel], *, echoes_values: bool
) -> list[Problem]:
    problems: list[Problem] = []
    kinds: dict[int, tuple[Node, list[str]]] = {}
    for error in errors:
        loc = error["loc"]
        at = node.nearest(*loc)
        if error["type"] in _TAGS:
            at = at.nearest(error["ctx"]["discriminator"].strip("'"))
        if error["type"] in _KINDS:
            # A union reports each of its kinds: one value, one problem.
            kinds.setdefault(id(at), (at, []))[1].append(_KINDS[error["type"]])
        elif error["type"] == "extra_forbidden":
            key = str(loc[-1])
            what = f"is not a known key{choices(key, _keys_at(model, loc[:-1]))}"
            problems.append(at.key_problem(what))
        elif error["type"] == "missing":
            problems.append(at.problem(f"has no '{loc[-1]}'"))
        else:
            problems.append(at.problem(_say(error, at, echoes_values=echoes_values)))
    for at, names in kinds.values():
        problems.append(at.problem(f"must be {' or '.join(dict.fromkeys(names))}"))
    return problems


def _say(error: ErrorDetails, at: Node, *, echoes_values: bool) -> str:
    context: dict[str, Any] = error.get("ctx", {})
    kind = error["type"]
    if kind in {"enum", "literal_error"}:
        allowed = _QUOTED.findall(str(context.get("expected", "")))
        said = f"is '{at.content}'" if echoes_values and at.text else "is not one of those allowed"
        return said + choices(at.text, allowed)
    if kind in _BOUNDS:
        key, phrase = _BOUNDS[kind]
        return phrase.format(context[key])
    if kind == "union_tag_invalid":
        return f"is not a known kind{choices(at.text, _QUOTED.findall(context['expected_tags']))}"
    if kind == "union_tag_not_found":
        return f"has no {context['discriminator']}"
    if kind == "value_error":
        return str(context["error"])
    return error["msg"].replace("Input should be", "must be").replace("Input should", "should")


@lru_cache(maxsize=64)
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _keys_at(model: type[BaseModel], loc: Sequence[Step]) -> list[str]:
    """The keys that the model knows at a place."""
    schema = _schema(model)
    here = _resolve(schema, schema)
    for step in loc:
        here = [
            found
            for part in here
            for below in _below(part, step)
            for found in _resolve(schema, below)
        ] or here
    return [key for part in here for key in part.get("properties", {})]


def _resolve(schema: dict[str, Any], part: dict[str, Any]) -> list[dict[str, Any]]:
    """A schema without references, and the alternatives that it stands for."""
    if "$ref" in part:
        return _resolve(schema, schema["$defs"][part["$ref"].rsplit("/", 1)[-1]])
    alternatives = [*part.get("anyOf", ()), *part.get("allOf", ())]
    if "discriminator" not in part:
        alternatives += part.get("oneOf", ())
    return [part, *(found for other in alternatives for found in _resolve(schema, other))]


def _below(part: dict[str, Any], step: Step) -> list[dict[str, Any]]:
    if isinstance(step, int):
        return [part["items"]] if isinstance(part.get("items"), dict) else []
    tags = part.get("discriminator", {}).get("mapping", {})
    if step in tags:  # pydantic puts the tag of a union into the place
        return [{"$ref": tags[step]}]
    if step in part.get("properties", {}):
        return [part["properties"][step]]
    more = part.get("additionalProperties")
    return [more] if isinstance(more, dict) else []
