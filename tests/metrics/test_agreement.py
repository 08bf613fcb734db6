"""Judges: how they agree with people, and when they may be believed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.metrics.agreement import agreement


def test_kappa_is_cohens() -> None:
    """A judge that always says yes would agree well where most labels are yes."""
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    found = agreement(pairs)
    assert found.share.point == 0.7
    assert found.kappa == pytest.approx(0.4)  # Cohen's own kind of table: 0.7 seen, 0.5 by chance
    always = agreement([("y", "y")] * 95 + [("n", "y")] * 5)
    assert (always.share.point, always.kappa, always.may_gate) == (0.95, 0.0, False)


@pytest.mark.parametrize(
    ("right", "of", "may_gate"), [(90, 100, True), (36, 40, False), (20, 20, True), (10, 10, False)]
)
def test_a_judge_may_gate_where_enough_labels_say_so(
    right: int,
    of: int,
    may_gate: bool,  # noqa: FBT001  # a row
) -> None:
    """A judge that was tried on a handful of answers would stop merges."""
    pairs = [(turn % 2, turn % 2 if turn < right else 1 - turn % 2) for turn in range(of)]
    assert agreement(pairs).may_gate is may_gate


def test_answers_without_a_verdict_count_against_a_judge() -> None:
    """A judge that says nothing on what is hard would look as if it were always right."""
    sure = [(turn % 2, turn % 2) for turn in range(60)]
    silent = [(turn % 2, None) for turn in range(40)]
    assert agreement(sure).may_gate
    both = agreement([*sure, *silent])
    assert (both.missed, both.share.of, both.may_gate) == (40, 60, False)


def test_no_labels_prove_nothing() -> None:
    """A judge that was never tried would pass."""
    for pairs in ([], [(True, True)], [(True, True)] * 50):
        assert agreement(pairs).kappa is None
        assert not agreement(pairs).may_gate


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("abc")), min_size=1))
def test_kappa_lies_in_its_interval(pairs: list[tuple[str, str]]) -> None:
    """An interval would exclude what was seen."""
    found = agreement(pairs)
    low, high = found.interval
    assert -1 <= low <= high <= 1
    if found.kappa is not None:
        assert low - 1e-9 <= max(found.kappa, -1.0) <= high + 1e-9
