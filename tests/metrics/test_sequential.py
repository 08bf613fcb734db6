"""Confidence sequences: what is known exactly of them, and what every one of them keeps."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from app.metrics.sequential import ConfidenceSequence, Difference

_VALUES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=40)


@settings(deadline=None, max_examples=30)
@given(_VALUES, st.floats(0.02, 0.98))
def test_the_likelihood_is_against_that_of_all_means(values: list[float], mean: float) -> None:
    """An interval would be of another promise than the one that is cited."""
    state = ConfidenceSequence().after_all(values)
    hits, misses = state.total, state.count - state.total
    mixed, _ = integrate.quad(  # p = sin², so that Jeffreys' density is even
        lambda angle: math.sin(angle) ** (2 * hits) * math.cos(angle) ** (2 * misses),
        0,
        math.pi / 2,
    )
    alone = hits * math.log(mean) + misses * math.log(1 - mean)
    assert state.against(mean) == pytest.approx(math.log(mixed * 2 / math.pi) - alone, abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(_VALUES, _VALUES)
def test_arms_that_change_places_give_the_difference_turned_round(
    control: list[float], treated: list[float]
) -> None:
    """A variant would be judged more mildly than what it is compared with."""
    each = ConfidenceSequence(0.025)
    one, other = each.after_all(control), each.after_all(treated)
    (low, high), (back_low, back_high) = (
        Difference(one, other).interval,
        Difference(other, one).interval,
    )
    assert (low, high) == pytest.approx((-back_high, -back_low), abs=1e-6)
    assert -1 <= low <= high <= 1
    if control and treated:
        assert low - 1e-9 <= Difference(one, other).point <= high + 1e-9


@settings(deadline=None, max_examples=30)
@given(_VALUES, _VALUES)
def test_the_difference_is_against_the_best_of_all_pairs_of_means(
    control: list[float], treated: list[float]
) -> None:
    """A pair of means that explains the values would be overlooked, and the variant sent back."""
    arms = Difference(
        ConfidenceSequence().after_all(control), ConfidenceSequence().after_all(treated)
    )
    for more in (-0.4, 0.0, 0.3):
        tried = np.linspace(max(0, -more), min(1, 1 - more), 400)
        best = min(
            arms.control.against(at) + arms.treated.against(at + more) for at in tried.tolist()
        )
        assert arms.against(more) <= best + 1e-9
        assert arms.against(more) > best - 0.2


def test_nothing_seen_says_nothing() -> None:
    """A canary without a session would be judged."""
    assert ConfidenceSequence().interval == (0.0, 1.0)
    assert Difference().interval == (-1.0, 1.0)
    only = Difference(ConfidenceSequence(0.025).after_all([1.0] * 50), ConfidenceSequence(0.025))
    assert only.interval[0] == pytest.approx(-1.0)
    assert only.interval[1] > 0


def test_a_value_out_of_range_is_refused() -> None:
    """Milliseconds would be taken for a share, and prove anything."""
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="must be in"):
            ConfidenceSequence().after(wrong)


def test_an_end_is_where_the_likelihood_says_so() -> None:
    """A promise of 95 % would be one of 80 %."""
    yes_and_no = [1.0, 0.0, 1.0, 1.0] * 8  # so few that the other sequence leaves more
    alone = ConfidenceSequence().after_all(yes_and_no)
    for end in alone.interval:
        assert alone.against(end) == pytest.approx(math.log(2 / 0.05), abs=1e-6)
    arm = ConfidenceSequence(0.025).after_all(yes_and_no)
    both = Difference(arm, arm)
    for end in both.interval:
        assert both.against(end) == pytest.approx(math.log(2 / 0.05), abs=1e-6)
    low, high = both.interval
    assert high - low < 1.75 * (arm.interval[1] - arm.interval[0])
