"""What one rendering may do, and what it asked about the request's values."""

import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateRuntimeError

from app.domain.persona import Scalar

MAX_WORK = 2_000_000
"""Characters printed, and steps times ``STEP_WORK``, that one rendering may take."""
STEP_WORK = 20
"""What one turn of a loop or one call counts for, in characters."""


class TemplateMistakeError(TemplateRuntimeError):
    """The template does what no template may do. The message quotes no value."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A question about a variable's value on which a template's text depends."""

    variable: str
    operation: str
    """``truth``, ``==``, ``<``, ``<=``, ``>`` or ``>=``."""
    operand: Scalar | None = None
    other: str = ""
    """The variable compared with, where it is not an operand from the files."""

    def holds(self, values: Mapping[str, Scalar]) -> bool:
        """The answer for these values."""
        value = values[self.variable]
        if self.operation == "truth":
            return bool(value)
        operand = values[self.other] if self.other else self.operand
        return bool(_OPERATIONS[self.operation](value, operand))


_OPERATIONS: Mapping[str, Callable[[Any, Any], object]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class RenderState:
    """One rendering: its answers to conditions, its budget, and how much came before the first."""

    __slots__ = ("_decide", "_work", "asked", "by_value", "chars", "stable_chars")

    def __init__(
        self, decide: Callable[[Condition], bool], by_value: frozenset[str] = frozenset()
    ) -> None:
        """Begin.

        Args:
            decide: Answers conditions.
            by_value: Names in the context whose values stand there as themselves (trusted ones).
        """
        self._decide = decide
        self._work = 0
        self.by_value = by_value
        self.asked: dict[Condition, bool] = {}
        self.chars = 0
        """Characters that have left the template."""
        self.stable_chars: int | None = None
        """How many had left before the text could first depend on a value."""

    def ask(self, condition: Condition) -> bool:
        """Answer, always the same within one rendering."""
        self.note_dependence()
        if condition not in self.asked:
            self.asked[condition] = self._decide(condition)
        return self.asked[condition]

    def note_dependence(self) -> None:
        """From here on the text may depend on a value."""
        if self.stable_chars is None:
            self.stable_chars = self.chars

    def spend(self, work: int) -> None:
        """Count work.

        Raises:
            TemplateMistakeError: The rendering takes too much.
        """
        self._work += work
        if self._work > MAX_WORK:
            raise TemplateMistakeError(
                f"rendering takes more than {MAX_WORK:,} characters and steps; "
                "print less, or loop over less"
            )

    @contextmanager
    def active(self) -> Iterator[None]:
        """Make this the state that the environment sees."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)


_CURRENT: ContextVar[RenderState] = ContextVar("render_state")


def current_state() -> RenderState:
    """The rendering that is going on."""
    return _CURRENT.get()
