"""P values: those that scipy gives where it has the test, and what must hold of all."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from app.metrics.chance import fisher, flipped, holm, shuffled


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 90))
def test_pairs_of_yes_and_no_are_mcnemars_exact_test(ups: int, downs: int, same: int) -> None:
    """A change of a pass rate would be taken for noise, or noise for a change."""
    moved = np.array([1.0] * ups + [-1.0] * downs + [0.0] * same)
    exact = stats.binomtest(ups, ups + downs).pvalue if ups + downs else 1.0
    assert flipped(moved) == pytest.approx(exact, rel=1e-6)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(-4, 4), min_size=2, max_size=9))
def test_few_pairs_have_all_their_signs_tried(moved: list[int]) -> None:
    """The p value of a small suite would be a guess."""
    values = np.array(moved, dtype=np.float64)
    tried = stats.permutation_test(
        (values,), np.sum, permutation_type="samples", n_resamples=np.inf, vectorized=False
    )
    assert flipped(values) == pytest.approx(tried.pvalue)


def test_many_pairs_come_close_to_the_t_test() -> None:
    """Drawn permutations would not be those of the test that they stand for."""
    values = np.random.default_rng(3).normal(0.2, 1, 120)
    assert flipped(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.01)
    many = np.random.default_rng(3).normal(0.05, 1, 3_000)
    assert flipped(many) == pytest.approx(stats.ttest_1samp(many, 0).pvalue, abs=0.02)


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 70), st.integers(1, 70)).flatmap(
        lambda of: st.tuples(st.just(of), st.integers(0, of[0]), st.integers(0, of[1]))
    )
)
def test_two_shares_are_compared_as_fisher_does(case: tuple[tuple[int, int], int, int]) -> None:
    """A change of a live rate would be taken for noise, or noise for a change."""
    of, first, second = case
    table = [[first, of[0] - first], [second, of[1] - second]]
    assert fisher((first, second), of) == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-5)


def test_two_means_are_compared_as_welch_does() -> None:
    """Drawn permutations would not be those of the test that they stand for."""
    rng = np.random.default_rng(4)
    one, two = rng.normal(0, 1, 80), rng.normal(0.4, 2, 50)
    found = shuffled((one, np.ones(80)), (two, np.ones(50)))
    assert found == pytest.approx(stats.ttest_ind(one, two, equal_var=False).pvalue, abs=0.015)
    assert shuffled((one, np.ones(80)), (one, np.ones(80))) == 1.0


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0, 1), max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(ps: Sequence[float]) -> None:
    """One of many metrics would be called a movement more often than is said."""
    places = range(len(ps))
    families = [set(each) for size in places for each in combinations(places, size + 1)]
    expected = [
        max(
            min(1.0, len(family) * min(ps[at] for at in family))
            for family in families
            if place in family
        )
        for place in places
    ]
    assert holm(ps) == pytest.approx(tuple(expected))
