"""Change points: where they are, and what is no series."""

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
