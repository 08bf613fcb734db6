"""Change points: where they are, and what is no series."""

import math
from collections.abc import Container
from itertools import accumulate, combinations

import pytest

from app.metrics.change_point import change_point


def test_a_drop_is_found_where_it_is() -> None:
    """An alarm would name a revision that changed nothing."""
    found = change_point([(0.9, 1.0)] * 30 + [(0.4, 1.0)] * 20)
    assert found is not None
    assert found.place == 30
    assert [found.before, found.after] == pytest.approx([0.9, 0.4])
    assert found.p < 0.001


def test_a_long_series_keeps_its_place() -> None:
    """A change in busy traffic would be named a day off."""
    found = change_point([(1.0, 1.0), (0.8, 1.0)] * 2_000 + [(1.0, 2.0), (0.8, 2.0)] * 1_000)
    assert found is not None
    assert abs(found.place - 4_000) <= 12
    assert [found.before, found.after] == pytest.approx([0.9, 0.45], abs=0.01)


def test_what_never_changes_has_no_change() -> None:
    """A metric that always holds would ring."""
    found = change_point([(1.0, 1.0)] * 40)
    assert found is not None
    assert found.p == 1.0


def test_a_short_series_and_an_empty_task_are_no_series() -> None:
    """One odd task would be a change, or a task that nobody scored a bad one."""
    assert change_point([(1.0, 1.0)] * 5) is None
    with pytest.raises(ValueError, match="does not belong"):
        change_point([(1.0, 1.0)] * 600 + [(0.0, 0.0)])


def test_more_draws_tell_smaller_chances_apart() -> None:
    """A break of one metric among hundreds would be corrected into noise."""
    series = [(0.9, 1.0)] * 30 + [(0.4, 1.0)] * 20
    few, many = change_point(series, draws=99), change_point(series, draws=9_999)
    assert few is not None
    assert many is not None
    assert (few.p, many.p) == (1 / 100, 1 / 10_000)


@pytest.mark.parametrize("at", [(0, 1, 2, 3, 5), (0, 1, 3, 4, 8), (0, 2, 4, 6, 8)])
def test_the_chance_is_what_all_orders_say(at: tuple[int, ...]) -> None:
    """Stopping early, where chance does as much, would make noise look rarer than it is."""

    def largest(ones: Container[int]) -> float:
        sums = accumulate(float(place in ones) - 0.5 for place in range(10))
        places = [(k, total) for k, total in enumerate(sums, start=1) if 3 <= k <= 7]
        return max(abs(total) / math.sqrt(k / 10 * (1 - k / 10)) for k, total in places)

    found = change_point([(float(place in at), 1.0) for place in range(10)])
    assert found is not None
    orders = [largest(ones) >= largest(at) - 1e-9 for ones in combinations(range(10), 5)]
    assert found.p == pytest.approx(sum(orders) / len(orders), rel=0.6)
