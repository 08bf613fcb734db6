"""What metrics are measured on: tasks of exchanges, from cases that were run or from records.

Nothing here holds what a user or a model wrote.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.domain.conduct import Conduct, Measured
from app.domain.decision import Outcome
from app.domain.events import FinishReason, Usage
from app.domain.feedback import Standing, Target, TargetKind, TaskOutcome
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
    status = Status(closing["status"])
    return ObservedExchange(
        id=opening["request_id"],
        session=opening["session"],
        turn=1,
        persona=opening["persona"],
        variant=opening["variant"],
        catalog=opening["catalog"],
        at=datetime.fromisoformat(opening["at"]),
        outcome=outcome,
        status=status,
        total_ms=closing["timings"]["total_ms"],
        behaviours=tuple(_measured(each) for each in closing["behaviours"]),
        # What was cut off does not say whether a model was asked.
        cost=None if status is Status.CUT_OFF else _cost(closing["attempts"], usage, prices),
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
    says = finish == FinishReason.CONTENT_FILTER or any(
        path.rpartition(".")[2] == "refusal" for path in paths
    )
    if outcome in REFUSED or says:
        return True
    return None if finish is None else False


def in_tasks(
    exchanges: Iterable[ObservedExchange], said: Mapping[Target, Standing] | None = None
) -> Iterator[ObservedTask]:
    """Tasks as live traffic has them: the exchanges of a session; without one, each its own.

    A task is of the persona, variant and catalog of its first exchange. What users said of the
    session holds before what they said of its requests.

    Args:
        exchanges: In any order, each once.
        said: What holds of requests and sessions, as ``standings`` of all feedback gives it.
    """
    sessions: dict[tuple[str, str], list[ObservedExchange]] = {}
    for each in exchanges:
        key = (each.persona, f"request {each.id}" if each.session is None else each.session)
        sessions.setdefault(key, []).append(each)
    for found in sessions.values():
        ordered = sorted(found, key=lambda each: (each.at, each.id))
        numbered = (replace(each, turn=turn) for turn, each in enumerate(ordered, start=1))
        yield _task(tuple(numbered), said or {})


def _task(exchanges: tuple[ObservedExchange, ...], said: Mapping[Target, Standing]) -> ObservedTask:
    first, nothing = exchanges[0], Standing()
    of_session = nothing
    if first.session is not None:
        of_session = said.get(Target(TargetKind.SESSION, first.session), nothing)
    of_requests = [said.get(Target(TargetKind.REQUEST, each.id), nothing) for each in exchanges]
    scores = [each.satisfaction.score for each in of_requests if each.satisfaction is not None]
    if of_session.satisfaction is not None:
        scores = [of_session.satisfaction.score]
    outcomes = [each.task for each in (*of_requests, of_session) if each.task is not None]
    corrected = {each.turn for each in of_session.corrections}
    corrected |= {
        exchange.turn
        for exchange, each in zip(exchanges, of_requests, strict=True)
        if each.corrections
    }
    completed = Conduct.NOT_SCORED
    if outcomes:
        completed = Conduct.HELD if outcomes[-1] is TaskOutcome.COMPLETED else Conduct.FAILED
    return ObservedTask(
        id=first.session or first.id,
        persona=first.persona,
        variant=first.variant,
        catalog=first.catalog,
        exchanges=exchanges,
        completed=completed,
        completed_by=Basis.USER if outcomes else None,
        satisfaction=sum(scores) / len(scores) if scores else None,
        satisfaction_by=Basis.USER if scores else None,
        corrections=tuple(sorted(turn for turn in corrected if turn is not None)),
    )


def _measured(entry: Json) -> Measured:
    return Measured(
        **{**entry, "conduct": Conduct(entry["conduct"]), "action": Action(entry["action"])}
    )


def _cost(attempts: Sequence[Json], usage: Usage | None, prices: Prices) -> float | None:
    asked = [(each["backend"], each["model"]) for each in attempts]
    if not asked:
        return 0.0  # no model was asked
    answered = {
        (each["backend"], each["model"]) for each in attempts if each["problem"] is None
    } or set(asked)
    known = {prices.get(each) for each in answered}
    price = next(iter(known))
    # The record has one sum of tokens over all models, so that two prices cannot share it.
    if usage is None or price is None or len(known) > 1:
        return None
    return price.cost(usage)
