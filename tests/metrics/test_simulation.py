"""What intervals and tests promise, tried on samples of which the truth is known.

Seeds are fixed. Sizes are such that what is promised passes by three standard errors, and each test
shows beside it that the mistake it is there for does not.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from app.domain.conduct import Conduct
from app.metrics.agreement import agreement
from app.metrics.chance import flipped, shuffled
from app.metrics.change_point import change_point
from app.metrics.compare import LEVEL, Verdict, movements
from app.metrics.intervals import Floats, Mean, Share, clustered
from app.metrics.observed import Basis, ObservedTask
from app.metrics.sequential import ConfidenceSequence, Difference
from tests.metrics.observations import FINE, TASK, measured

Draw = Callable[[np.random.Generator, int], Floats]


def covered(intervals: Sequence[tuple[float, float]], truth: float) -> float:
    """How many intervals hold the truth."""
    return sum(low <= truth <= high for low, high in intervals) / len(intervals)


@pytest.mark.parametrize(("share", "of"), [(0.5, 12), (0.9, 25), (0.03, 80), (0.99, 200)])
def test_intervals_of_shares_cover(share: float, of: int) -> None:
    """A rate would be said to be known better than it is."""
    hits = np.random.default_rng(1).binomial(of, share, 2_000)
    assert covered([Share(int(each), of).interval for each in hits], share) > 0.925


def test_intervals_of_repeated_cases_cover() -> None:
    """Repeats of a case would count as new cases, and every rate look proved."""
    rng = np.random.default_rng(2)
    ease = rng.beta(1.6, 0.4, (1_000, 24))  # of each case: some always work, some never
    hits = rng.binomial(8, ease).astype(np.float64)
    sizes = np.full(24, 8.0)
    assert covered([clustered(each, sizes).interval for each in hits], 0.8) > 0.93
    flat = [Share(int(each.sum()), 24 * 8).interval for each in hits]
    assert covered(flat, 0.8) < 0.75


_ANY, _POSITIVE, _UNIT = (-math.inf, math.inf), (0.0, math.inf), (0.0, 1.0)
_SHAPES: dict[str, tuple[Draw, float, tuple[float, float]]] = {
    "normal": (lambda rng, n: rng.normal(5, 1, n), 5.0, _ANY),
    "waiting times": (lambda rng, n: rng.exponential(1, n), 1.0, _POSITIVE),
    "a long tail": (lambda rng, n: rng.lognormal(0, 0.8, n), math.exp(0.32), _POSITIVE),
    "stars": (
        lambda rng, n: rng.choice([0, 0.25, 0.5, 0.75, 1], n, p=[0.05, 0.05, 0.1, 0.3, 0.5]),
        0.7875,
        _UNIT,
    ),
    "thumbs": (lambda rng, n: (rng.random(n) < 0.85).astype(np.float64), 0.85, _UNIT),
    "pairs": (
        lambda rng, n: rng.choice([-1.0, 0.0, 1.0], n, p=[0.15, 0.8, 0.05]),
        -0.1,
        (-1.0, 1.0),
    ),
}


@pytest.mark.parametrize(
    ("shape", "of", "least"),
    [
        ("normal", 10, 0.92),
        ("normal", 20, 0.93),
        ("waiting times", 20, 0.915),
        ("a long tail", 20, 0.9),
        ("a long tail", 80, 0.92),
        ("stars", 20, 0.93),
        ("thumbs", 20, 0.95),
        ("pairs", 20, 0.93),
    ],
)
def test_intervals_of_means_cover(shape: str, of: int, least: float) -> None:
    """A mean of twenty cases would be said to be known better than it is."""
    draw, truth, (low, high) = _SHAPES[shape]
    rng = np.random.default_rng(3)
    found = [Mean(tuple(draw(rng, of).tolist()), None, low, high).interval for _ in range(1_500)]
    assert covered(found, truth) > least


def test_intervals_of_means_cover_where_cases_weigh_differently() -> None:
    """Long conversations would be treated as if each answer were of another user."""
    rng = np.random.default_rng(4)
    found = []
    for _ in range(400):
        weights = rng.integers(1, 20, 30).astype(np.float64)
        values = rng.normal(0.6, 0.2, 30) + rng.normal(0, 0.3, 30) / np.sqrt(weights)
        found.append(Mean(tuple(values.tolist()), tuple(weights.tolist())).interval)
    assert covered(found, 0.6) > 0.92


@pytest.mark.parametrize("exact", [12, 40])
def test_paired_tests_call_noise_a_movement_as_rarely_as_they_say(exact: int) -> None:
    """Reviews would be stopped by chance, or never."""
    rng = np.random.default_rng(5)
    skewed = rng.standard_t(3, (600, exact)) * rng.choice([0.2, 1, 3], exact)
    alarms = sum(flipped(each) <= LEVEL for each in skewed) / 600
    assert 0.02 < alarms < 0.08


def test_tests_of_two_samples_keep_their_word_where_spreads_differ() -> None:
    """A small sample that varies more would look like one of another mean."""
    rng = np.random.default_rng(6)
    alarms, naive = 0, 0
    for _ in range(150):
        few, many = rng.normal(0, 4, 15), rng.normal(0, 1, 45)
        alarms += shuffled((few, np.ones(15)), (many, np.ones(45))) <= LEVEL
        pooled = np.concatenate((few, many)).std(ddof=2) * math.sqrt(1 / 15 + 1 / 45)
        naive += abs(few.mean() - many.mean()) > 2.0 * pooled
    assert alarms / 150 < 0.1
    assert naive / 150 > 0.15


def _suite(rng: np.random.Generator, ease: Floats) -> list[ObservedTask]:
    """A run of a suite: so many cases, three times each, with much that is measured."""
    tasks: list[ObservedTask] = []
    for case, easy in enumerate(ease):
        for repeat in range(3):
            held = [Conduct.HELD if each else Conduct.FAILED for each in rng.random(6) < easy]
            behaviours = dict(zip("abcde", held[1:], strict=True))
            exchange = replace(
                FINE,
                behaviours=measured(**behaviours),
                cost=float(rng.lognormal(0, 1)),
                first_token_ms=float(rng.exponential(300)),
            )
            tasks.append(
                replace(
                    TASK,
                    id=f"{case}",
                    repeat=repeat,
                    exchanges=(exchange,),
                    completed=held[0],
                    completed_by=Basis.CHECKS,
                    satisfaction=float(rng.choice([0, 0.25, 0.5, 0.75, 1])),
                    satisfaction_by=Basis.JUDGE,
                )
            )
    return tasks


def test_a_comparison_of_many_metrics_cries_wolf_once_in_twenty() -> None:
    """With ten metrics, every third review would call chance a movement."""
    rng = np.random.default_rng(7)
    moved = {Verdict.BETTER, Verdict.WORSE}
    wolves = single = 0
    for _ in range(120):
        ease = rng.beta(3, 1, 20)
        found = movements(_suite(rng, ease), _suite(rng, ease))
        wolves += any(each.verdict in moved for each in found)
        single += any(each.p is not None and each.p <= LEVEL for each in found)
    assert wolves / 120 < 0.1
    assert single / 120 > 0.2


@pytest.mark.parametrize("kind", ["rare", "even", "steps"])
def test_sequences_may_be_looked_at_at_any_time(kind: str) -> None:
    """A canary that is watched all day would be called worse by chance before the evening."""
    rng = np.random.default_rng(8)
    truth = {"rare": 0.05, "even": 0.5, "steps": 0.7}[kind]
    wrong = naive = 0
    widths = []
    for _ in range(100):
        values = (rng.random(400) < truth).astype(np.float64)
        if kind == "steps":
            values = rng.choice([0.6, 0.7, 0.8], 400)
        sequence, was_wrong = ConfidenceSequence(), False
        for value in values.tolist():
            sequence = sequence.after(value)
            was_wrong |= sequence.against(truth) > math.log(2 / LEVEL)
        # Of the second part, what was once excluded stays so: the end shows all moments before it.
        wrong += was_wrong or not sequence.low <= truth <= sequence.high
        counts = np.arange(10, 401)
        error = 1.96 * values.std() / np.sqrt(counts)
        naive += bool((np.abs(values.cumsum()[9:] / counts - truth) > error).any())
        low, high = sequence.interval
        assert low <= sequence.point <= high
        widths.append(high - low)
    assert wrong / 100 <= LEVEL
    assert naive / 100 > 0.2
    assert np.mean(widths) < {"rare": 0.08, "even": 0.19, "steps": 0.08}[kind]


def test_a_difference_of_arms_holds_at_any_time_and_is_found() -> None:
    """A variant would be sent back for nothing, or not though it is worse."""
    rng = np.random.default_rng(9)
    wrong = found = 0
    for _ in range(60):
        same, worse, was_wrong = Difference(), Difference(), False
        for count, drawn in enumerate(rng.random((400, 3)) < (0.8, 0.8, 0.6)):
            control, like, dropped = map(float, drawn)
            held = same.control.after(control)
            same = Difference(held, same.treated.after(like))
            worse = Difference(held, worse.treated.after(dropped))
            if count % 8 == 0:
                was_wrong |= same.against(0.0) > math.log(2 / LEVEL)
        low, high = same.interval
        wrong += was_wrong or not low <= 0 <= high
        found += worse.interval[1] < 0
    assert wrong <= 3
    assert found >= 54


def test_agreement_of_judges_covers() -> None:
    """A judge that was lucky on a few answers would be let at the gate."""
    rng = np.random.default_rng(10)
    truth = 0.9 - (0.7 * 0.66 + 0.3 * 0.34)
    truth /= 1 - (0.7 * 0.66 + 0.3 * 0.34)
    intervals = []
    for _ in range(1_000):
        labels = rng.random(80) < 0.7
        verdicts = np.where(rng.random(80) < 0.9, labels, ~labels)
        intervals.append(agreement(zip(labels.tolist(), verdicts.tolist(), strict=True)).interval)
    assert covered(intervals, truth) > 0.925


def test_change_points_are_found_where_there_is_one_and_seldom_else() -> None:
    """An alarm would ring every week, or never."""
    rng = np.random.default_rng(11)
    false = found = 0
    places = []
    for _ in range(80):
        steady = change_point([(float(each), 1.0) for each in rng.random(80) < 0.85])
        shares = np.where(np.arange(80) < 50, 0.9, 0.45)
        changed = change_point([(float(each), 1.0) for each in rng.random(80) < shares])
        assert steady is not None
        assert changed is not None
        false += steady.p <= LEVEL
        found += changed.p <= LEVEL
        places.append(changed.place)
    assert false / 80 <= 0.1
    assert found / 80 > 0.9
    assert abs(float(np.median(places)) - 50) <= 2
