"""Movements: paired by case, with a verdict that says no more than the sample does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.metrics.compare import Movement, Verdict, cases_needed, movements, unpaired_movements
from app.metrics.definitions import METRICS
from app.metrics.observed import Basis, ObservedTask
from tests.metrics.observations import FINE, TASK, all_checked, checked, task
from tests.metrics.test_definitions import TASKS

COMPLETION = METRICS["task_completion"]


def completion(before: list[ObservedTask], after: list[ObservedTask]) -> Movement:
    """How task completion moves alone."""
    (found,) = movements(before, after, [COMPLETION])
    return found


def test_a_drop_beyond_noise_is_worse_and_its_reverse_is_better() -> None:
    """The direction of a metric would be turned round."""
    before, after = all_checked([True] * 20), all_checked([True] * 8 + [False] * 12)
    down, up = completion(before, after), completion(after, before)
    assert (down.verdict, up.verdict) == (Verdict.WORSE, Verdict.BETTER)
    assert down.difference == -0.6
    assert up.difference == 0.6
    assert down.interval is not None
    assert down.interval[0] < -0.6 < down.interval[1] < 0
    assert down.p == pytest.approx(2 / 2**12)
    costs = [
        [task(replace(FINE, cost=cost + place / 99), name=f"{place}") for place in range(12)]
        for cost in (0.1, 0.9)
    ]
    (dearer,) = movements(costs[0], costs[1], [METRICS["cost"]])
    assert dearer.verdict is Verdict.WORSE


def test_what_chance_does_too_is_noise() -> None:
    """Two cases that fell and one that rose would stop a merge."""
    before = all_checked([True] * 18 + [False] * 2)
    after = all_checked([True] * 16 + [False] * 2 + [True, False])
    found = completion(before, after)
    assert (found.verdict, found.of) == (Verdict.NOISE, 20)
    assert found.difference == pytest.approx(-0.05)
    assert found.detectable is not None


def test_a_sample_that_can_show_nothing_is_too_few() -> None:
    """Five cases that all fell would be called noise, as if they had been enough to tell."""
    found = completion(all_checked([True] * 5), all_checked([False] * 5))
    assert (found.verdict, found.p_adjusted) == (Verdict.TOO_FEW, None)
    enough = completion(all_checked([True] * 6), all_checked([False] * 6))
    assert enough.verdict is Verdict.WORSE
    live = unpaired_movements(all_checked([True] * 3), all_checked([False] * 3), [COMPLETION])
    assert live[0].verdict is Verdict.TOO_FEW


def test_what_one_side_did_not_score_is_not_scored() -> None:
    """A judge that was out would be a metric that fell to 0."""
    out = [replace(TASK, id=f"case {place}") for place in range(9)]
    found = completion(all_checked([True] * 9), out)
    assert (found.verdict, found.difference, found.p) == (Verdict.NOT_SCORED, None, None)
    assert found.after.missed == 9
    assert found.plain()["difference"] is None


def test_cases_of_one_side_alone_are_not_compared() -> None:
    """A hard case that was added would look like a drop of those that were there."""
    before = all_checked([True] * 10)
    found = completion(before, [*before, *all_checked([False] * 10, "new")])
    assert (found.difference, found.of, found.verdict) == (0.0, 10, Verdict.NOISE)
    assert found.after.cases == 20


def test_a_case_counts_once_however_often_it_ran() -> None:
    """Three repeats of six cases would prove what eighteen cases do."""
    runs = [
        [checked(f"{case}", held=held, repeat=turn) for case in range(5) for turn in range(9)]
        for held in (True, False)
    ]
    assert completion(runs[0], runs[1]).verdict is Verdict.TOO_FEW
    assert unpaired_movements(runs[0], runs[1], [COMPLETION])[0].of == 5


def test_many_metrics_need_more_to_prove_one() -> None:
    """Among twenty metrics that only wobble, one would be called worse in every review."""
    before, after = all_checked([True] * 20), all_checked([True] * 14 + [False] * 6)
    assert completion(before, after).verdict is Verdict.WORSE
    happy = replace(TASK, satisfaction=0.5, satisfaction_by=Basis.USER)
    still = [replace(happy, id=f"still {place}") for place in range(20)]
    metrics = [METRICS[name] for name in ("task_completion", "satisfaction", "escalation_rate")]
    found = movements([*before, *still], [*after, *still], metrics)
    assert [each.verdict for each in found] == [Verdict.NOISE] * 3
    assert found[0].p == pytest.approx(2 / 2**6)
    assert found[0].p_adjusted == pytest.approx(6 / 2**6)


@settings(deadline=None, max_examples=25)
@given(TASKS, TASKS, st.randoms())
def test_no_order_of_cases_moves_a_metric(
    before: list[ObservedTask], after: list[ObservedTask], chance: object
) -> None:
    """The same runs would be worse today and noise tomorrow."""
    mixed = sorted(after, key=lambda _: chance.random())  # type: ignore[attr-defined]  # a random.Random
    for compare in (movements, unpaired_movements):
        one, other = compare(before, after), compare(before[::-1], mixed)
        assert [each.verdict for each in one] == [each.verdict for each in other]
        assert [each.p for each in one] == pytest.approx([each.p for each in other])
        assert [each.difference for each in one] == pytest.approx(
            [each.difference for each in other]
        )


def test_so_many_cases_show_the_difference_four_times_in_five() -> None:
    """An author would be told to write too few cases."""
    rng = np.random.default_rng(8)
    lost, won = 0.12, 0.02
    count = cases_needed(lost - won, (lost + won - (lost - won) ** 2) ** 0.5)
    assert 100 < count < 120
    seen = 0
    for _ in range(150):
        drawn = rng.random(count)
        before, after = drawn >= won, drawn <= 1 - lost
        found = completion(all_checked(before.tolist()), all_checked(after.tolist()))
        seen += found.verdict is Verdict.WORSE
    assert 0.7 < seen / 150 < 0.9
