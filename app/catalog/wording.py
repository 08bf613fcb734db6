"""Says what is wrong with a value in the words of the file that holds it.

Pydantic finds the mistakes; its own words (``Input should be …``) never reach the reader.
"""

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from app.catalog.document import Node, Step
from app.domain.conversation import Json
from app.domain.errors import ContentError, Problem

Error = Mapping[str, Any]
"""A mistake as pydantic describes it."""
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
    "string_pattern_mismatch": ("pattern", "must look like {}"),
}
_TAGS = {"union_tag_invalid", "union_tag_not_found"}
_QUOTED = re.compile(r"'([^']*)'")


def read_as(
    model: type[ModelT],
    node: Node,
    *,
    given: Mapping[str, Json] | None = None,
    besides: Collection[str] = (),
    context: object = None,
    echoes_values: bool = True,
) -> ModelT:
    """Validate what a person wrote. Nothing is converted: ``"5"`` is no number, ``5`` no text.

    Mappings come out in the order of their keys, so that files that differ only in order give
    equal values.

    Args:
        model: What the value must be.
        node: The value.
        given: What the file does not hold, such as the id.
        besides: Keys that the file may hold and the model does not know.
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
    keys = _Keys(model, frozenset(given or ()), besides)
    raise ContentError(_problems(errors, node, keys, echoes_values=echoes_values))


def choices(value: str | None, allowed: Collection[str], *, limit: int = 24) -> str:
    """``; did you mean 'block'? (allow, flag, block)``, as far as it can be said."""
    if not allowed:
        return ""
    near = difflib.get_close_matches(value, list(allowed), n=1) if value else []
    said = f"did you mean '{near[0]}'?" if near else "choose from"
    more = ", …" if len(allowed) > limit else ""
    return f"; {said} ({', '.join(list(allowed)[:limit])}{more})"


def unknown(kind: str, value: str, known: Collection[str]) -> str:
    """``is 'assistent', and there is no such prompt; did you mean 'assistant'? (assistant)``."""
    none = "" if known else "; there are none"
    return f"is '{value}', and there is no such {kind}{none or choices(value, known)}"


def _problems(
    errors: Sequence[Error], node: Node, keys: "_Keys", *, echoes_values: bool
) -> list[Problem]:
    problems: list[Problem] = []
    # A union reports each of its kinds: one value, one problem. What is wrong further inside says
    # which of the kinds was meant, so that the others need not be named.
    kinds: dict[int, tuple[Node, list[str]]] = {}
    choosing: dict[int, tuple[Node, Problem]] = {}
    inside: set[int] = set()
    for error in errors:
        loc = error["loc"]
        at = _place(node, loc)
        inside |= _above(node, loc)
        if error["type"] in _TAGS:
            at = at.nearest(error["ctx"]["discriminator"].strip("'"))
        if error["type"] in _KINDS:
            kind = _KINDS[error["type"]] + _comma_hint(at, loc)
            kinds.setdefault(id(at), (at, []))[1].append(kind)
        elif error["type"] in {"enum", "literal_error"}:
            problem = at.problem(_say(error, at, echoes_values=echoes_values))
            choosing.setdefault(id(at), (at, problem))
        elif error["type"] == "extra_forbidden":
            key = str(loc[-1])
            hint = _comma_hint(at, loc) or choices(key, keys.at(loc[:-1]))
            problems.append(at.key_problem(f"is not a known key{hint}"))
        elif error["type"] == "missing":
            problems.append(at.problem(f"has no '{loc[-1]}'; add it"))
        elif (
            error["type"] != "too_short" or len(at.items or at.entries) < error["ctx"]["min_length"]
        ):
            # Pydantic does not count wrong items, so that a list may only seem too short.
            problems.append(at.problem(_say(error, at, echoes_values=echoes_values)))
    problems += [problem for key, (_, problem) in choosing.items() if key not in inside]
    for at, names in kinds.values():
        if id(at) not in inside and id(at) not in choosing:
            *others, last = dict.fromkeys(names)
            what = f"{', '.join(others)} or {last}" if others else last
            problems.append(at.problem(f"must be {what}"))
    return problems


def _above(node: Node, loc: Sequence[Step]) -> set[int]:
    """The values inside which an error is."""
    passed: set[int] = set()
    for step in loc:
        below = node.child(step)
        if below is not None:
            passed.add(id(node))
            node = below
    return passed


def _comma_hint(at: Node, loc: Sequence[Step]) -> str:
    """``{user: Yes, at once}`` holds a key ``at once`` without a value: an easy mistake."""
    is_likely = at.content is None and loc and " " in str(loc[-1])
    return "; put text that holds ', ' in quotes" if is_likely else ""


def _place(node: Node, loc: Sequence[Step]) -> Node:
    """Where an error is. Pydantic names alternatives among the steps; those lead nowhere."""
    for step in loc:
        node = node.child(step) or node
    return node


def _say(error: Error, at: Node, *, echoes_values: bool) -> str:
    context: dict[str, Any] = error.get("ctx", {})
    match error["type"]:
        case "enum" | "literal_error":
            said = f"is '{at.text}'" if echoes_values and at.text else "is not one of those allowed"
            said += choices(at.text, _QUOTED.findall(str(context["expected"])))
        case "union_tag_invalid":
            said = (
                f"is not a known kind{choices(at.text, _QUOTED.findall(context['expected_tags']))}"
            )
        case "union_tag_not_found":
            said = f"has no {context['discriminator']}; add it"
        case "value_error":
            said = str(context["error"])
        case kind if kind in _BOUNDS:
            key, phrase = _BOUNDS[kind]
            bound = context[key]
            is_empty = bound == 1 and kind in {"too_short", "string_too_short"}
            number = f"{bound:g}" if isinstance(bound, float) else bound
            said = "must not be empty" if is_empty else phrase.format(number)
        case _:
            # A type that none of our models has, but a detector's settings may: still plain words.
            said = error["msg"].replace("Input should be", "must be")
    return said


@lru_cache(maxsize=64)
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys that a file may hold."""

    model: type[BaseModel]
    hidden: Collection[str]
    besides: Collection[str]

    def at(self, loc: Sequence[Step]) -> list[str]:
        """Those of the mapping at a place."""
        keys = _keys_at(self.model, loc)
        if loc:
            return keys
        return [*(key for key in keys if key not in self.hidden), *self.besides]


def _keys_at(model: type[BaseModel], loc: Sequence[Step]) -> list[str]:
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
