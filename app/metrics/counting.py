"""What one task says of each metric: so much of so much, and what could not be scored."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app.domain.conduct import Conduct
from app.domain.decision import Outcome
from app.domain.record import Status
from app.metrics.course import episodes
from app.metrics.observed import Basis, ObservedExchange, ObservedTask


@dataclass(frozen=True, slots=True)
class Tally:
    """What one task says of a metric."""

    top: float = 0.0
    bottom: float = 0.0
    missed: int = 0
    """How much could have been scored and was not."""

    def __add__(self, other: "Tally") -> "Tally":
        """Of both together."""
        return Tally(self.top + other.top, self.bottom + other.bottom, self.missed + other.missed)


NOTHING, _MISSED = Tally(), Tally(missed=1)


def _conduct(conduct: Conduct) -> Tally:
    if conduct is Conduct.NOT_DRAWN:
        return NOTHING
    if conduct is Conduct.NOT_SCORED:
        return _MISSED
    return Tally(float(conduct is Conduct.HELD), 1)


def violation(task: ObservedTask) -> Tally:
    """Whether something left that policy does not allow."""
    return _MISSED if task.is_violation is None else Tally(float(task.is_violation), 1)


def escalation(task: ObservedTask) -> Tally:
    """Whether the task was handed over."""
    return Tally(float(any(each.outcome is Outcome.ESCALATE for each in task.exchanges)), 1)


def completed_by(basis: Basis) -> Callable[[ObservedTask], Tally]:
    """Whether the goal was reached, as one of them says."""

    def tally(task: ObservedTask) -> Tally:
        return _conduct(task.completed) if task.completed_by is basis else _MISSED

    return tally


def satisfaction_by(basis: Basis) -> Callable[[ObservedTask], Tally]:
    """How satisfied the user is, as one of them says."""

    def tally(task: ObservedTask) -> Tally:
        if task.satisfaction is None or task.satisfaction_by is not basis:
            return _MISSED
        return Tally(task.satisfaction, 1)

    return tally


def recovery(task: ObservedTask) -> Tally:
    """How many times the conversation got back on course."""
    found = episodes(task)
    if len(task.exchanges) == 1 and task.exchanges[0].session is None:
        return Tally(missed=len(found))  # nobody knows whether the user went on
    return Tally(sum(each.is_recovered for each in found), len(found))


def recovery_turns(task: ObservedTask) -> Tally:
    """In how many turns it did."""
    turns = [each.turns for each in episodes(task) if each.is_recovered]
    return Tally(sum(turns), len(turns))


def _last_attempts(exchange: ObservedExchange) -> dict[str, Conduct]:
    last: dict[str, tuple[int, Conduct]] = {}
    for each in exchange.behaviours:
        if each.attempt >= last.get(each.behaviour, (0, each.conduct))[0]:
            last[each.behaviour] = each.attempt, each.conduct
    return {behaviour: conduct for behaviour, (_, conduct) in last.items()}


def adherence(task: ObservedTask, behaviour: str | None = None) -> Tally:
    """How many behaviours held; or how often one did."""
    total = NOTHING
    for exchange in task.exchanges:
        for of, conduct in _last_attempts(exchange).items():
            if behaviour in {None, of}:
                total += _conduct(conduct)
    return total


def drift(task: ObservedTask) -> Tally:
    """The slope within the task is top over bottom, and weighs as much as it has turns apart."""
    seen: list[tuple[int, float]] = []
    missed = 0
    for exchange in task.exchanges:
        of = sum(map(_conduct, _last_attempts(exchange).values()), NOTHING)
        missed += of.missed
        if of.bottom:
            seen.append((exchange.turn, of.top / of.bottom))
    if len(seen) <= 1:
        return Tally(missed=missed + len(seen))
    turns, kept = np.array(seen, dtype=np.float64).T
    apart = turns - turns.mean()
    return Tally(float(apart @ kept), float(apart @ apart), missed)


def each_exchange(
    what: Callable[[ObservedExchange], float | None],
) -> Callable[[ObservedTask], Tally]:
    """A number of each exchange, where it is known."""

    def tally(task: ObservedTask) -> Tally:
        values = [what(each) for each in task.exchanges]
        known = [value for value in values if value is not None]
        return Tally(sum(known), len(known), len(values) - len(known))

    return tally


def over_refusal(task: ObservedTask) -> Tally:
    """How many harmless requests were refused."""
    if task.is_harmless is None:
        return Tally(missed=len(task.exchanges))
    if not task.is_harmless:
        return NOTHING
    return each_exchange(lambda each: each.is_refused)(task)


def cost(task: ObservedTask) -> Tally:
    """What the whole task cost."""
    costs = [each.cost for each in task.exchanges]
    known = [cost for cost in costs if cost is not None]
    return Tally(sum(known), 1) if len(known) == len(costs) else _MISSED


def failed(exchange: ObservedExchange) -> float | None:
    """Whether an exchange failed; none where the client broke it off."""
    if exchange.status is Status.CANCELLED:
        return None
    return float(exchange.status in {Status.FAILED, Status.CUT_OFF})
