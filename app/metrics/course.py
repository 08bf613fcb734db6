"""Whether a conversation that went wrong gets back on course, and in how many turns.

A turn is *off course* where the exchange failed or could not be checked, was refused though the
user asks for nothing that should be, had a tool that failed, was corrected by the user, or broke
what its case declares of it. An *episode* begins at a turn off course and ends at the next turn
that is not: then the conversation is back on course, and what it took is how many turns later that
is.
An episode that runs to the end is not recovered, and neither is the last one of a task whose goal
was scored and not reached.
"""

from dataclasses import dataclass

from app.domain.conduct import Conduct
from app.domain.decision import Outcome
from app.domain.record import Status
from app.metrics.observed import ObservedExchange, ObservedTask

_BROKEN = frozenset({Status.FAILED, Status.CUT_OFF})


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of turns off course."""

    turn: int
    """Where it began."""
    turns: int
    """How many turns later the conversation was on course; until its end where it never was."""
    is_recovered: bool


def episodes(task: ObservedTask) -> tuple[Episode, ...]:
    """What went wrong in a task, in order, and whether it came right."""
    found: list[Episode] = []
    begun: int | None = None
    for place, exchange in enumerate(task.exchanges):
        if is_off_course(exchange, task):
            begun = place if begun is None else begun
        elif begun is not None:
            found.append(Episode(task.exchanges[begun].turn, place - begun, is_recovered=True))
            begun = None
    if begun is not None:
        left = len(task.exchanges) - begun
        found.append(Episode(task.exchanges[begun].turn, left, is_recovered=False))
    elif found and task.completed is Conduct.FAILED:
        last = found.pop()
        found.append(Episode(last.turn, last.turns, is_recovered=False))
    return tuple(found)


def is_off_course(exchange: ObservedExchange, task: ObservedTask) -> bool:
    """Whether something went wrong in a turn, so far as anybody saw."""
    return (
        exchange.status in _BROKEN
        or exchange.outcome is Outcome.UNCHECKED
        or (exchange.is_refused is True and task.is_harmless is not False)
        or exchange.is_tool_failure is True
        or exchange.turn in task.corrections
        or exchange.checks is Conduct.FAILED
    )
