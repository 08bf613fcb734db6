"""The filters and tests that templates may use. What is not named here does not exist."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import cast

from jinja2.filters import FILTERS
from jinja2.runtime import Context, Undefined
from jinja2.tests import TESTS
from jinja2.utils import pass_context

from app.compose.provenance import SourcedText, joined, value_text
from app.compose.state import STEP_WORK, TemplateMistakeError, current_state
from app.compose.untrusted import Untrusted

STEPS = "_steps"
"""The filter that the environment puts around what every loop runs over."""

_FROM_JINJA = (
    "abs", "capitalize", "count", "first", "int", "last", "length", "list", "lower", "map",
    "reject", "rejectattr", "reverse", "round", "select", "selectattr", "sort", "title", "trim",
    "unique", "upper",
)  # fmt: skip
"""None of them makes a text much longer, looks at the clock, or draws lots."""

_TESTS = (
    "!=", "<", "<=", "==", ">", ">=", "defined", "divisibleby", "eq", "equalto", "even", "false",
    "ge", "gt", "in", "le", "lt", "ne", "none", "odd", "true", "undefined",
)  # fmt: skip
"""None of them tells an untrusted value from a text by its type."""


def printable(value: object) -> str:
    """The value as text.

    Raises:
        TemplateMistakeError: It is a list, a group of fields or nothing at all.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, Untrusted):
        value.refuse()
    if isinstance(value, Undefined):
        return str(value)  # raises, and names what is missing
    if value is None:
        raise TemplateMistakeError("there is nothing to print here; ask `{% if … %}` first")
    raise TemplateMistakeError(
        "only text, numbers and booleans can be printed; name a field, or use `join` or a loop"
    )


def join_texts(pieces: Iterable[object], separator: str = "") -> str:
    """One text of many; each part keeps its source, and one without takes its neighbours'."""
    texts: list[str] = []
    for index, piece in enumerate(pieces):
        if index and separator:
            texts.append(separator)
        texts.append(printable(piece))
        current_state().spend(len(texts[-1]) + len(separator))
    sourced = next((text for text in texts if isinstance(text, SourcedText) and text.runs), None)
    if sourced is None:
        return "".join(texts)
    source = sourced.runs[0].source
    return joined(
        text if isinstance(text, SourcedText) else value_text(text, source) for text in texts
    )


def replace_text(text: str, old: str, new: str) -> str:
    """Every ``old`` in the text becomes ``new``."""
    current_state().spend(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


@pass_context
def steps(_: Context, items: Iterable[object]) -> Iterator[object]:
    """The same items, each counted. Takes the context so that it never runs while compiling."""
    state = current_state()
    for item in items:
        state.spend(STEP_WORK)
        yield item


def bounded_range(*bounds: int) -> range:
    """``range``, of at most 1,000 numbers."""
    numbers = range(*bounds)
    if len(numbers) > 1000:  # noqa: PLR2004  # said in the docstring and the message
        raise TemplateMistakeError("range gives more than 1,000 numbers; a prompt needs fewer")
    return numbers


def _sourced(function: Callable[..., object]) -> Callable[..., object]:
    """The filter, giving text the source of the text that it was given."""

    @wraps(function)  # also copies the mark that asks Jinja for the context or the environment
    def sourced_filter(*args: object, **kwargs: object) -> object:
        result = function(*args, **kwargs)
        sourced = next((a for a in args if isinstance(a, SourcedText) and a.runs), None)
        if sourced is None or not isinstance(result, str) or isinstance(result, SourcedText):
            return result
        return value_text(result, sourced.runs[0].source)

    return sourced_filter


def allowed_filters() -> Mapping[str, Callable[..., object]]:
    """Every filter by its name."""
    own: dict[str, Callable[..., object]] = {"join": join_texts, "replace": replace_text}
    named = {**{name: FILTERS[name] for name in _FROM_JINJA}, **own}
    return {STEPS: steps, **{name: _sourced(function) for name, function in named.items()}}


def allowed_tests() -> Mapping[str, Callable[..., object]]:
    """Every test by its name."""
    return {name: cast("Callable[..., object]", TESTS[name]) for name in _TESTS}
