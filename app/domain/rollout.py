"""Rollouts: a variant that comes to answer more sessions step by step, or is taken back.

The plan stands in the persona's file. Where between its steps a rollout stands is what was entered
in the ledger, move by move, and nothing else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from app.domain.persona import Rollout


@dataclass(frozen=True, slots=True)
class PlannedRollout:
    """A rollout as the files have it."""

    id: str
    """Of the plan and of all that the two sides of it serve: another one is another rollout."""
    persona: str
    plan: Rollout


class Move(StrEnum):
    """What happens to a rollout."""

    BEGIN = "begin"
    STEP = "step"
    RETURN = "return"
    """All sessions go back to the persona as it is."""
    HOLD = "hold"
    """It stays where it is; a gate that breaks returns it all the same."""
    RESUME = "resume"
    """It goes on from a hold, or begins again after a return."""


class Finding(StrEnum):
    """What a gate says so far."""

    HOLDS = "holds"
    """The variant is not worse by as much as the gate allows: the whole interval says so."""
    BROKEN = "broken"
    """It is worse than the gate allows: the whole interval says so."""
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a comparison."""

    samples: int
    """Sessions that the metric could be measured on."""
    mean: float | None
    """None without a sample."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one gate saw in one step."""

    metric: str
    no_worse_by: float
    variant: Arm
    control: Arm
    """The persona as it is, in the same time."""
    worse_by: tuple[float, float]
    """The interval in which lies by how much the variant is worse, at whatever time one looks."""
    error_rate: float
    """How often at most that interval is wrong at any time."""
    finding: Finding


@dataclass(frozen=True, slots=True)
class Moved:
    """One move of a rollout, as the ledger keeps it."""

    at: datetime
    rollout: str
    """Which one; see ``PlannedRollout``."""
    number: int
    """Of the rollout's moves, counted from 1. Only one move can have it."""
    persona: str
    variant: str
    move: Move
    step: int
    """The step that it now stands at, counted from 0."""
    percent: float
    """The share of sessions that the variant answers from now on."""
    by: str
    """Who decided; empty where the gateway did, by the gates."""
    why: str
    catalog: str
    evidence: tuple[Evidence, ...] = ()


class Phase(StrEnum):
    """How it stands with a rollout."""

    WAITING = "waiting"
    """It has not begun."""
    RUNNING = "running"
    HELD = "held"
    RETURNED = "returned"
    COMPLETED = "completed"
    """It stands at its last step."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a rollout stands."""

    phase: Phase
    number: int
    """Of the last move; 0 where there was none."""
    step: int
    percent: float
    since: datetime | None
    """When the share became what it is; none before it began."""

    @property
    def is_watched(self) -> bool:
        """Whether there are two sides to compare."""
        return 0 < self.percent < 100  # noqa: PLR2004  # a hundred percent


_BEFORE = Standing(Phase.WAITING, 0, 0, 0.0, None)


def standing_of(planned: PlannedRollout, moves: Iterable[Moved]) -> Standing:
    """Where a rollout stands after these moves of its, in their order."""
    standing = _BEFORE
    for moved in moves:
        is_last = moved.step == len(planned.plan.steps) - 1
        phase = {
            Move.RETURN: Phase.RETURNED,
            Move.HOLD: Phase.HELD,
        }.get(moved.move, Phase.COMPLETED if is_last else Phase.RUNNING)
        keeps_share = standing.since is not None and moved.percent == standing.percent
        since = standing.since if keeps_share else moved.at
        standing = Standing(phase, moved.number, moved.step, moved.percent, since)
    return standing


def move_after(  # noqa: PLR0913  # what is said of a move
    planned: PlannedRollout,
    standing: Standing,
    move: Move,
    *,
    at: datetime,
    why: str,
    catalog: str,
    by: str = "",
    evidence: tuple[Evidence, ...] = (),
) -> Moved:
    """A move of a rollout that stands so."""
    steps = planned.plan.steps
    step, percent = standing.step, standing.percent
    match move:
        case Move.BEGIN:
            step, percent = 0, steps[0]
        case Move.STEP:
            step = standing.step + 1
            percent = steps[step]
        case Move.RETURN:
            step, percent = 0, 0.0
        case Move.RESUME if standing.phase is Phase.RETURNED:
            step, percent = 0, steps[0]
        case Move.RESUME | Move.HOLD:
            pass
        case _:
            assert_never(move)
    return Moved(
        at=at,
        rollout=planned.id,
        number=standing.number + 1,
        persona=planned.persona,
        variant=planned.plan.variant,
        move=move,
        step=step,
        percent=percent,
        by=by,
        why=why,
        catalog=catalog,
        evidence=evidence,
    )


MAY: Mapping[Move, frozenset[Phase]] = {
    Move.HOLD: frozenset({Phase.RUNNING}),
    Move.RETURN: frozenset({Phase.RUNNING, Phase.HELD, Phase.COMPLETED}),
    Move.RESUME: frozenset({Phase.HELD, Phase.RETURNED}),
}
"""From where an operator may make which move."""
