"""What a template holds in place of an untrusted value: something to print or compare, no more."""

from typing import NoReturn

from typing_extensions import override

from app.compose.provenance import Run
from app.compose.state import Condition, TemplateMistakeError, current_state


class Untrusted:  # noqa: PLW1641  # __hash__ is one of the refused uses
    """A variable of the request, or text with one in it.

    The value itself never enters the template engine: printing leaves a slot that is filled with
    the fenced value afterwards, comparing asks a ``Condition``. All else is refused, so that no
    filter can undo the fence and no template can make text out of a part of a value.
    """

    __slots__ = ("is_number", "name", "runs", "variable")

    def __init__(
        self, runs: tuple[Run, ...], *, variable: str = "", is_number: bool = False
    ) -> None:
        """Hold a slot, or text with slots.

        Args:
            runs: What printing it gives; at least one is a slot.
            variable: The variable, where this is nothing but that: only then it can be compared.
            is_number: It can be ordered too.
        """
        self.runs = runs
        self.name = next(run.slot for run in runs if run.slot)
        self.variable = variable
        self.is_number = is_number

    def refuse(self, *_: object, **__: object) -> NoReturn:
        """Raise, since this use is not open to values that a request gives."""
        raise TemplateMistakeError(
            f"'{self.name}' comes from the request and can only be printed or compared; "
            "declare it `trusted: true` to use filters, or print it as it is"
        )

    def _ask(self, operation: str, other: object) -> bool:
        if not self.variable:
            self.refuse()
        if isinstance(other, Untrusted):
            if not other.variable:
                other.refuse()
            return current_state().ask(Condition(self.variable, operation, other=other.variable))
        if other is None or isinstance(other, (str, int, float)):
            return current_state().ask(Condition(self.variable, operation, other))
        return self.refuse()

    def _order(self, operation: str, other: object) -> bool:
        is_number = other.is_number if isinstance(other, Untrusted) else _is_number(other)
        if not (self.is_number and is_number):
            self.refuse()
        return self._ask(operation, other)

    @override
    def __eq__(self, other: object) -> bool:
        return self._ask("==", other)

    @override
    def __ne__(self, other: object) -> bool:
        return not self._ask("==", other)

    def __lt__(self, other: object) -> bool:
        return self._order("<", other)

    def __le__(self, other: object) -> bool:
        return self._order("<=", other)

    def __gt__(self, other: object) -> bool:
        return self._order(">", other)

    def __ge__(self, other: object) -> bool:
        return self._order(">=", other)

    def __bool__(self) -> bool:
        if not self.variable:
            self.refuse()
        return current_state().ask(Condition(self.variable, "truth"))

    __str__ = __format__ = __hash__ = refuse
    __len__ = __iter__ = __contains__ = __getitem__ = __index__ = __int__ = __float__ = refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = __rmod__ = refuse
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __pow__ = __rpow__ = refuse
    __neg__ = __pos__ = __abs__ = __round__ = __call__ = refuse


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
