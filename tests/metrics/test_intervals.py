"""Intervals of shares and means: what is known exactly, and what must hold of every sample."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.metrics.intervals import Mean, Share, clustered


def test_one_observation_a_case_is_wilsons() -> None:
    """A suite without repeats would have wider intervals than it need have."""
    assert clustered(np.array([1.0, 0, 1, 1]), np.ones(4)) == Share(3, 4)


def test_repeats_are_no_cases() -> None:
    """Running each case ten times would make a proof of four cases."""
    alone = Share(2, 4).interval
    low, high = clustered(np.array([10.0, 0, 10, 0]), np.full(4, 10.0)).interval
    assert low < alone[0]
    assert high > alone[1]


def test_one_case_says_nothing_of_others() -> None:
    """Ten repeats of one case would be a rate of all."""
    assert clustered(np.array([10.0]), np.array([10.0])).interval == (0.0, 1.0)


def test_values_that_are_all_alike_prove_no_certainty() -> None:
    """Three satisfied users would be a satisfaction of exactly 1."""
    low, high = Mean((1.0, 1.0, 1.0), low=0, high=1).interval
    assert low < 0.5
    assert high == 1.0


def test_one_value_has_the_whole_range() -> None:
    """One answer's cost would be known to be everybody's."""
    assert Mean((0.25,), low=0).interval == (0.0, math.inf)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.5, 4)), min_size=1, max_size=30).flatmap(
        lambda pairs: st.tuples(st.just(pairs), st.permutations(pairs))
    )
)
def test_the_order_of_values_says_nothing(
    both: tuple[list[tuple[float, float]], list[tuple[float, float]]],
) -> None:
    """The same cases in another order would give another interval."""
    one, other = (
        Mean(tuple(v for v, _ in pairs), tuple(w for _, w in pairs), 0, 1) for pairs in both
    )
    assert one.interval == other.interval
    low, high = one.interval
    assert 0 <= low <= high <= 1
    assert one.point == pytest.approx(other.point)
