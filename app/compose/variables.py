"""Variables that a request gives: typed, bounded, and never echoed."""

import math
import re
from collections.abc import Iterator, Mapping

from app.compose.nearest import remedy
from app.compose.views import CONTEXT_NAMES, PersonaSources
from app.domain.conversation import Json
from app.domain.errors import Problem, RequestError
from app.domain.persona import Persona, Scalar, Variable

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
"""What a variable may be called: it stands in the fence, and in templates."""
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_MAX_NUMBER = 2**53
"""Beyond this, JSON readers disagree about a number."""
_RESERVED = CONTEXT_NAMES | {
    "and", "else", "false", "if", "in", "is", "loop", "namespace", "none", "not", "or", "range",
    "true", "caller", "self", "super", "varargs", "kwargs",
}  # fmt: skip


class _RefusedError(ValueError):
    """Why a value is refused, in words that follow the variable's name and quote nothing of it."""


def declaration_problems(persona: Persona, at: PersonaSources) -> Iterator[Problem]:
    """What is wrong with a persona's variables as its file declares them."""
    for name, variable in persona.variables.items():
        path = f"variables.{name}"
        if not NAME.fullmatch(name):
            yield _problem(
                at, path, "is not a name; use letters, digits and _, starting with a letter"
            )
        elif name in _RESERVED:
            yield _problem(at, path, "is a word that templates use already; name it otherwise")
        if variable.default is not None:
            try:
                normal(variable, variable.default)
            except _RefusedError as exc:
                yield _problem(at, f"{path}.default", f"{exc}")


def given_values(declared: Mapping[str, Variable], given: Mapping[str, Json]) -> dict[str, Scalar]:
    """The value of every variable that a persona declares.

    Raises:
        RequestError: One is missing, unknown, or not as declared.
    """
    values: dict[str, Scalar] = {}
    taken = 0
    for name, variable in declared.items():
        if name in given:
            taken += 1
            try:
                values[name] = normal(variable, given[name])
            except _RefusedError as exc:
                raise RequestError(
                    f"variable '{name}' {exc}", param=f"banneton.variables.{name}"
                ) from None  # the cause would carry the value into a traceback
        elif variable.default is not None:
            values[name] = normal(variable, variable.default)
        else:
            raise RequestError(
                f"variable '{name}' is missing; give it under banneton.variables",
                param=f"banneton.variables.{name}",
            )
    if taken != len(given):
        raise _unknown(declared, given)
    return values


def normal(variable: Variable, value: Json) -> Scalar:
    """The value in the one form in which it is compared and printed.

    Raises:
        _RefusedError: It is not as declared.
    """
    typed = _typed(variable, value)
    if variable.enum is not None and not any(
        choice == typed and isinstance(choice, bool) == isinstance(typed, bool)
        for choice in variable.enum
    ):
        raise _RefusedError(f"must be one of: {', '.join(map(printed, variable.enum))}")
    return typed


def printed(value: Scalar) -> str:
    """The value as it is printed, before the fence."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _typed(variable: Variable, value: Json) -> Scalar:
    match variable.type:
        case "string":
            return _text(variable, value)
        case "boolean":
            if isinstance(value, bool):
                return value
            raise _RefusedError("must be true or false")
        case "integer":
            if isinstance(value, int) and not isinstance(value, bool):
                return _bounded(variable, value)
            raise _RefusedError("must be a whole number")
        case "number":
            return _bounded(variable, _number(value))


def _text(variable: Variable, value: Json) -> str:
    if not isinstance(value, str):
        raise _RefusedError("must be text")
    if len(value) > variable.max_length:
        raise _RefusedError(f"must have at most {variable.max_length} characters")
    if not value.isascii() and _HALF_PAIR.search(value):
        raise _RefusedError("must be valid Unicode; it holds half of a surrogate pair")
    return value


def _number(value: Json) -> float:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, float) or not math.isfinite(value):
        raise _RefusedError("must be a number")
    # 1 and 1.0 are equal and would be printed in two ways
    return int(value) if value.is_integer() else value


def _bounded(variable: Variable, value: float) -> float:
    least = -_MAX_NUMBER if variable.min is None else variable.min
    most = _MAX_NUMBER if variable.max is None else variable.max
    if not least <= value <= most:
        raise _RefusedError(f"must be between {least} and {most}")
    return value


def _unknown(declared: Mapping[str, Variable], given: Mapping[str, Json]) -> RequestError:
    name = next(name for name in given if name not in declared)
    if not NAME.fullmatch(name):  # text of the client, not a name to give back
        return RequestError(
            f"banneton.variables has a name that no variable has; {remedy('', declared)}",
            param="banneton.variables",
        )
    return RequestError(
        f"there is no variable '{name}'; {remedy(name, declared)}",
        param=f"banneton.variables.{name}",
    )


def _problem(at: PersonaSources, path: str, what: str) -> Problem:
    source = at.find(path)
    return Problem(source.file, source.line, source.column, path, what)
