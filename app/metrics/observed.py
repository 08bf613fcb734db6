"""What metrics are measured on: tasks of exchanges, from cases that were run or from records.

Nothing here holds what a user or a model wrote.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.domain.conduct import Conduct, Measured
from app.domain.decision import Outcome
from app.domain.events import FinishReason, Usage
from app.domain.policy import Action
from app.domain.prices import Prices
from app.domain.record import Status

Json = Mapping[str, Any]


class Basis(StrEnum):
    """Who says so. What different ones say is never added up."""

    CHECKS = "checks"
    """What a case declares, by code."""
    JUDGE = "judge"
    """A model that was asked."""
    USER = "user"
    """Feedback."""


@dataclass(frozen=True, slots=True)
class ObservedExchange:
    """One request with its answer. ``None`` is what nobody knows; it is never read as no or 0."""

    id: str
    session: str | None
    """As the ledger has it, a digest; none where the client named none."""
    turn: int
    """Within its task, counted from 1."""
    persona: str
    variant: str | None
    catalog: str
    """The catalog's digest."""
    at: datetime
    outcome: Outcome
    status: Status
    total_ms: float
    behaviours: tuple[Measured, ...] = ()
    cost: float | None = None
    """In USD."""
    first_token_ms: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    is_refused: bool | None = None
    """Policy, the provider or the model declined to answer, so far as anybody can tell."""
    is_tool_failure: bool | None = None
    """A tool's result in this request says that the tool failed."""
    checks: Conduct = Conduct.NOT_SCORED
    """Whether all that a case declares of this turn holds."""


@dataclass(frozen=True, slots=True)
class ObservedTask:
    """What one user wanted: a case that was run, or a live session."""

    id: str
    """The same before and after a change, where it is the same case."""
    persona: str
    variant: str | None
    catalog: str
    exchanges: tuple[ObservedExchange, ...]
    """By turn."""
    completed: Conduct = Conduct.NOT_SCORED
    """Whether the user's goal was reached."""
    completed_by: Basis | None = None
    satisfaction: float | None = None
    """In [0, 1]."""
    satisfaction_by: Basis | None = None
    is_harmless: bool | None = None
    """Whether everything that the user asked for should be answered."""
    is_violation: bool | None = None
    """Whether something left that policy does not allow, as a check or a judge saw it."""
    corrections: tuple[int, ...] = ()
    """Turns whose answers the user corrected."""
    repeat: int = 0
    """Which run of the same case; repeats are no cases of their own."""


def from_record(opening: Json, closing: Json, prices: Prices) -> ObservedExchange:
    """What the two entries of a record say; its turn is 1 until it stands in a task.

    Args:
        opening: As ``Record.opening`` has it.
        closing: As ``Record.closing`` has it. An exchange that is still open is not observed.
        prices: What models cost.
    """
    usage = None if closing["usage"] is None else Usage(**closing["usage"])
    outcome, finish = Outcome(closing["outcome"]), closing["finish"]
    return ObservedExchange(
        id=opening["request_id"],
        session=opening["session"],
        turn=1,
        persona=opening["persona"],
        variant=opening["variant"],
        catalog=opening["catalog"],
        at=datetime.fromisoformat(opening["at"]),
        outcome=outcome,
        status=Status(closing["status"]),
        total_ms=closing["timings"]["total_ms"],
        behaviours=tuple(_measured(each) for each in closing["behaviours"]),
        cost=_cost(closing["attempts"], usage, prices),
        first_token_ms=closing["timings"]["first_token_ms"],
        tokens_in=None if usage is None else usage.input_tokens,
        tokens_out=None if usage is None else usage.output_tokens,
        is_refused=is_refused(outcome, finish, [each["path"] for each in closing["content"]]),
    )


REFUSED = frozenset({Outcome.ESCALATE, Outcome.BLOCK})
"""What keeps an answer from the user, as a policy's budget of false alarms counts it."""


def is_refused(outcome: Outcome, finish: str | None, paths: Iterable[str]) -> bool | None:
    """Whether an answer was declined; none where a failure or an outage took its place.

    Args:
        outcome: Of the exchange.
        finish: Why the answer ended.
        paths: Of the answer's texts. A model that says that it refuses does so in ``refusal``.
    """
    if outcome is Outcome.UNCHECKED:
        return None
    says = finish == FinishReason.CONTENT_FILTER or any(path.endswith(".refusal") for path in paths)
    if outcome in REFUSED or says:
        return True
    return None if finish is None else False


def in_tasks(exchanges: Iterable[ObservedExchange]) -> Iterator[ObservedTask]:
    """Tasks as live traffic has them: the exchanges of a session; without one, each its own.

    The task is of the persona, variant and catalog of its first exchange.
    """
    sessions: dict[tuple[str, str], list[ObservedExchange]] = {}
    for each in exchanges:
        key = (each.persona, f"request {each.id}" if each.session is None else each.session)
        sessions.setdefault(key, []).append(each)
    for found in sessions.values():
        ordered = sorted(found, key=lambda each: (each.at, each.id))
        first = ordered[0]
        yield ObservedTask(
            id=first.session or first.id,
            persona=first.persona,
            variant=first.variant,
            catalog=first.catalog,
            exchanges=tuple(replace(each, turn=turn) for turn, each in enumerate(ordered, start=1)),
        )


def _measured(entry: Json) -> Measured:
    return Measured(
        **{**entry, "conduct": Conduct(entry["conduct"]), "action": Action(entry["action"])}
    )


def _cost(attempts: Iterable[Json], usage: Usage | None, prices: Prices) -> float | None:
    asked = [(each["backend"], each["model"]) for each in attempts]
    if not asked:
        return 0.0  # no model was asked
    answered = {
        (each["backend"], each["model"]) for each in attempts if each["problem"] is None
    } or set(asked)
    known = {prices.get(each) for each in answered}
    (price, *others) = known
    # The record has one sum of tokens over all models, so that two prices cannot share it.
    if usage is None or price is None or others:
        return None
    return price.cost(usage)
