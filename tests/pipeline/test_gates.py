"""Gates: how often chance decides, however often one looks, and what follows from what they say."""

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import gammaln

from app.domain.conduct import Conduct, Measured
from app.domain.decision import Outcome
from app.domain.persona import Rollout
from app.domain.record import Status
from app.domain.rollout import (
    Evidence,
    Finding,
    Move,
    Moved,
    Phase,
    PlannedRollout,
    Standing,
    move_after,
    standing_of,
)
from app.metrics.observed import ObservedExchange, in_tasks
from app.pipeline.gates import Gates, next_move
from tests.ledger.exchanges import NOON

Values = npt.NDArray[np.float64]
_MARGIN = 0.1
_ERROR_RATE = 0.1
_RUNS, _SESSIONS = 1_000, 800


def plan(**changes: object) -> Rollout:
    """A plan with one gate."""
    said = {
        "variant": "new",
        "steps": [50, 100],
        "hold": "1h",
        "min_samples": 5,
        "error_rate": _ERROR_RATE,
        "gates": [{"metric": "adherence:kind", "no_worse_by": _MARGIN}],
        **changes,
    }
    return Rollout.model_validate(said)


def session(name: str, *, is_held: bool) -> ObservedExchange:
    """A request whose answer kept to the behaviour, or did not."""
    return ObservedExchange(
        id=name,
        session=None,
        turn=1,
        persona="p",
        variant=None,
        catalog="c",
        at=NOON,
        outcome=Outcome.ALLOW,
        status=Status.COMPLETED,
        total_ms=1.0,
        behaviours=(Measured("kind", Conduct.HELD if is_held else Conduct.FAILED),),
    )


def beyond(treated: Values, control: Values) -> tuple[Values, Values]:
    """Whether the margin lies below, and whether it lies above all that is left of the difference.

    After every session of both sides, for many runs at once: one row is a run. By the joint
    likelihood that ``app.metrics.sequential`` has; the other sequence there is of no use for values
    that are 0 or 1, and only ever leaves less.
    """
    count = np.arange(1, treated.shape[1] + 1)
    ones = [np.cumsum(side, axis=1) for side in (control, treated)]
    zeros = [count - each for each in ones]
    least = np.zeros_like(treated)
    most = np.full_like(treated, 1 - _MARGIN)
    for _ in range(40):
        middle = (least + most) / 2
        slope = sum(
            zero / (1 - mean) - one / mean
            for zero, one, mean in zip(zeros, ones, (middle, middle + _MARGIN), strict=True)
        )
        least, most = np.where(slope < 0, middle, least), np.where(slope < 0, most, middle)
    at = np.clip(least, 1e-12, 1)  # the best mean may be 0 where no value was 1
    against = sum(
        gammaln(one + 0.5)
        + gammaln(zero + 0.5)
        - gammaln(count + 1)
        - np.log(np.pi)
        - one * np.log(mean)
        - zero * np.log1p(-mean)
        for zero, one, mean in zip(zeros, ones, (at, at + _MARGIN), strict=True)
    )
    is_out = against > np.log(2 / _ERROR_RATE)
    point = (ones[1] - ones[0]) / count
    return is_out & (point > _MARGIN), is_out & (point < _MARGIN)


def shares_of_runs(failing: float, control: float, seed: int) -> tuple[float, float]:
    """How often a gate ever breaks, and how often it ever holds, looked at after every session."""
    random = np.random.default_rng(seed)
    sides = [
        (random.random((_RUNS, _SESSIONS)) < share).astype(float) for share in (failing, control)
    ]
    broken, holds = beyond(*sides)
    return float(broken.any(axis=1).mean()), float(holds.any(axis=1).mean())


def test_the_simulation_is_of_the_gates_that_run() -> None:
    """What the simulations below show would be of other formulas than those that decide."""
    random = np.random.default_rng(5)
    gates = Gates(plan())
    held = random.random((2, 240)) < np.array([[0.6], [0.95]])
    broken, holds = beyond(*(1.0 - side[None, :].astype(float) for side in held))
    findings: list[Finding] = []
    evidence = said(Finding.UNDECIDED)
    for at in range(240):
        for side, is_variant in ((held[0], True), (held[1], False)):
            (task,) = in_tasks([session(f"r{at}", is_held=bool(side[at]))])
            gates.add(task, is_variant=is_variant)
        (evidence,) = gates.evidence()
        findings.append(evidence.finding)
        expected = Finding.BROKEN if broken[0, at] else Finding.UNDECIDED
        assert evidence.finding is (Finding.HOLDS if holds[0, at] else expected)
    assert findings[0] is Finding.UNDECIDED
    assert findings[-1] is Finding.BROKEN
    assert evidence.variant.samples == evidence.control.samples == 240
    assert evidence.variant.mean == pytest.approx(held[0].mean())


def test_a_variant_that_is_as_good_is_hardly_ever_returned() -> None:
    """Chance would take good variants back more often than the plan allows."""
    broken, holds = shares_of_runs(0.1, 0.1, seed=11)
    assert broken <= _ERROR_RATE
    assert holds >= 0.95, "and it would never come further"


def test_at_the_margin_neither_error_is_more_frequent_than_said() -> None:
    """The rate of errors that the plan states would be another one, just where it is largest."""
    broken, holds = shares_of_runs(0.1 + _MARGIN, 0.1, seed=12)
    assert broken <= _ERROR_RATE
    assert holds <= _ERROR_RATE


def test_a_worse_variant_is_returned_and_hardly_ever_let_on() -> None:
    """A variant that fails a third of the time more would come to all users."""
    broken, holds = shares_of_runs(0.4, 0.1, seed=13)
    assert broken >= 0.99
    assert holds <= _ERROR_RATE


def said(finding: Finding, samples: int = 9) -> Evidence:
    """What one gate says."""
    gates = Gates(plan())
    (evidence,) = gates.evidence()
    arm = type(evidence.variant)(samples, 0.5)
    return Evidence("refusal_rate", 0.1, arm, arm, (0.2, 0.3), evidence.error_rate, finding)


_LATER = NOON + timedelta(hours=1)
_PLANNED = PlannedRollout("r", "p", plan(steps=[1, 50, 100]))
_HELD, _BROKEN, _OPEN = Finding.HOLDS, Finding.BROKEN, Finding.UNDECIDED
CASES = [
    # Phase, percent, what gates say, samples, when; the move that is due.
    (Phase.RUNNING, 1, [_HELD, _HELD], 9, _LATER, Move.STEP),
    (Phase.RUNNING, 1, [_HELD, _HELD], 5, _LATER, Move.STEP),
    (Phase.RUNNING, 1, [_HELD, _HELD], 4, _LATER, None),
    (Phase.RUNNING, 1, [_HELD, _HELD], 9, _LATER - timedelta(seconds=1), None),
    (Phase.RUNNING, 1, [_HELD, _OPEN], 9, _LATER, None),
    (Phase.RUNNING, 1, [_HELD, _BROKEN], 0, NOON, Move.RETURN),
    (Phase.HELD, 1, [_HELD, _HELD], 9, _LATER, None),
    (Phase.HELD, 1, [_BROKEN, _HELD], 9, _LATER, Move.RETURN),
    (Phase.COMPLETED, 50, [_HELD, _HELD], 9, _LATER, None),
    (Phase.COMPLETED, 50, [_HELD, _BROKEN], 9, _LATER, Move.RETURN),
    (Phase.COMPLETED, 100, [_BROKEN, _BROKEN], 9, _LATER, None),
    (Phase.RETURNED, 0, [_BROKEN, _BROKEN], 9, _LATER, None),
]


@pytest.mark.parametrize(("phase", "percent", "findings", "samples", "now", "due"), CASES)
def test_what_follows_from_the_gates(  # one row of a table
    phase: Phase,
    percent: float,
    findings: list[Finding],
    samples: int,
    now: object,
    due: Move | None,
) -> None:
    """A rollout would go on too early, on too little, past an operator, or past a broken gate."""
    standing = Standing(phase, 3, 0, percent, NOON)
    evidence = tuple(said(each, samples) for each in findings)
    moved = next_move(_PLANNED, standing, evidence, now)  # type: ignore[arg-type]  # a datetime
    assert (None if moved is None else moved[0]) is due


def test_where_a_rollout_stands_is_all_in_its_moves() -> None:
    """A restart, or another replica, would stand somewhere else."""
    moves: list[Moved] = []
    told: list[tuple[Phase, float, object]] = []
    for hour, move in enumerate(
        [Move.BEGIN, Move.STEP, Move.HOLD, Move.RESUME, Move.STEP, Move.RETURN, Move.RESUME]
    ):
        standing = standing_of(_PLANNED, moves)
        at = NOON + timedelta(hours=hour)
        moves.append(move_after(_PLANNED, standing, move, at=at, why="x", catalog="c"))
        standing = standing_of(_PLANNED, moves)
        since = standing.since
        assert since is not None
        told.append((standing.phase, standing.percent, (since - NOON) // timedelta(hours=1)))
    assert told == [
        (Phase.RUNNING, 1, 0),
        (Phase.RUNNING, 50, 1),
        (Phase.HELD, 50, 1),
        (Phase.RUNNING, 50, 1),
        (Phase.COMPLETED, 100, 4),
        (Phase.RETURNED, 0, 5),
        (Phase.RUNNING, 1, 6),
    ]
    assert [each.number for each in moves] == list(range(1, 8))
