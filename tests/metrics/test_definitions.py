"""Metrics: each counts what its formula says, and nothing that was not scored."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.conduct import Conduct, Measured
from app.domain.decision import Outcome
from app.domain.record import Status
from app.metrics.definitions import METRICS, measure, metric_named, metrics_of, value_of
from app.metrics.intervals import Mean, Share
from app.metrics.observed import Basis, ObservedTask
from tests.metrics.observations import (
    BROKEN,
    FINE,
    REFUSED,
    TASK,
    all_checked,
    checked,
    measured,
    task,
)

HELD, FAILED, NOT_SCORED = Conduct.HELD, Conduct.FAILED, Conduct.NOT_SCORED


def share(name: str, *tasks: ObservedTask) -> tuple[int, int, int]:
    """Hits, of how many, and how many were not scored."""
    found = measure(metric_named(name), tasks)
    if found.estimate is None:
        return 0, 0, found.missed
    assert isinstance(found.estimate, Share)
    return found.estimate.hits, found.estimate.of, found.missed


def mean(name: str, *tasks: ObservedTask) -> float:
    """The mean of a metric."""
    found = measure(metric_named(name), tasks).estimate
    assert isinstance(found, Mean)
    return found.point


def test_goals_count_by_who_says_that_they_were_reached() -> None:
    """What a judge or a user says would be added to what was checked."""
    tasks = [
        checked("a", held=True),
        checked("b", held=False),
        replace(checked("c", held=True), completed_by=Basis.JUDGE),
        replace(checked("d", held=False), completed_by=Basis.USER),
        replace(TASK, id="e"),
    ]
    assert share("task_completion", *tasks) == (1, 2, 3)
    assert share("task_completion_judged", *tasks) == (1, 1, 4)
    assert share("task_completion_reported", *tasks) == (0, 1, 4)


def test_satisfaction_that_was_predicted_is_not_what_users_say() -> None:
    """A judge's guess would raise what users are said to have said."""
    told = replace(TASK, id="a", satisfaction=0.25, satisfaction_by=Basis.USER)
    guessed = replace(TASK, id="b", satisfaction=1.0, satisfaction_by=Basis.JUDGE)
    assert mean("satisfaction", told, guessed) == 0.25
    assert mean("satisfaction_predicted", told, guessed) == 1.0


def test_adherence_is_that_of_the_last_attempt() -> None:
    """An answer that was made again, and held, would count as failed; or as two."""
    tries = (Measured("cites", FAILED, 1), Measured("cites", HELD, 2), Measured("short", HELD, 1))
    again = task(replace(FINE, behaviours=tries))
    stayed = task(replace(FINE, behaviours=measured(cites=FAILED, short=NOT_SCORED)), name="b")
    drawn = task(replace(FINE, behaviours=measured(cites=Conduct.NOT_DRAWN)), name="c")
    assert share("adherence:cites", again, stayed, drawn) == (1, 2, 0)
    assert share("adherence:short", again, stayed, drawn) == (1, 1, 1)
    assert share("adherence", again, stayed, drawn) == (2, 3, 1)


def test_refusals_count_against_us_only_where_the_request_is_harmless() -> None:
    """Stopping attacks would count as over-refusal, and unlabelled traffic as harmless."""
    harmless = replace(task(FINE, REFUSED, BROKEN), is_harmless=True)
    attack = replace(task(REFUSED, name="attack"), is_harmless=False)
    unlabelled = task(REFUSED, name="live")
    assert share("over_refusal", harmless, attack, unlabelled) == (1, 2, 2)


def test_escalations_and_violations_count_by_task() -> None:
    """One conversation that was handed over twice would be two."""
    escalated = replace(FINE, outcome=Outcome.ESCALATE)
    tasks = [
        replace(task(escalated, escalated), is_violation=False),
        replace(task(FINE, name="b"), is_violation=True),
        task(FINE, name="c"),
    ]
    assert share("escalation_rate", *tasks) == (1, 3, 0)
    assert share("violation_rate", *tasks) == (1, 2, 1)


def test_a_task_costs_what_all_its_exchanges_cost() -> None:
    """A conversation with one exchange of unknown cost would look cheap."""
    known = task(replace(FINE, cost=0.25), replace(FINE, cost=0.5))
    unknown = task(replace(FINE, cost=9.0), FINE, name="b")
    assert mean("cost", known, unknown) == 0.75
    assert measure(METRICS["cost"], [known, unknown]).missed == 1


def test_the_first_token_is_timed_by_exchange() -> None:
    """A request that no model answered would have the fastest answer."""
    timed = task(replace(FINE, first_token_ms=100.0), replace(FINE, first_token_ms=400.0), REFUSED)
    other = task(replace(FINE, first_token_ms=100.0), name="b")
    assert mean("first_token_ms", timed, other) == 200.0


def test_drift_is_the_slope_within_conversations() -> None:
    """A persona that is lost over long conversations, or longer ones with another, looks alike."""
    kept, lost = measured(warm=HELD, short=HELD), measured(warm=FAILED, short=HELD)
    faded = task(*(replace(FINE, behaviours=each) for each in (kept, kept, lost, lost)))
    assert mean("persona_drift", faded) == pytest.approx(-0.2)
    gone = measured(warm=FAILED, short=FAILED)
    steady = task(*(replace(FINE, behaviours=gone) for _ in range(9)), name="long and wrong")
    short = task(replace(FINE, behaviours=kept), name="one turn")
    assert mean("persona_drift", steady, short) == 0.0
    assert measure(METRICS["persona_drift"], [short]).estimate is None


def test_repeats_of_a_case_are_one_case() -> None:
    """Running a case more often would prove more of other cases."""
    repeated = [checked("a", held=turn < 3, repeat=turn) for turn in range(4)]
    found = measure(METRICS["task_completion"], [*repeated, checked("b", held=True)])
    assert found.estimate is not None
    assert (found.estimate.of, found.cases) == (5, 2)
    assert value_of(METRICS["task_completion"], repeated[3]) == 0.0


_CONDUCT = st.sampled_from(Conduct)
_EXCHANGES = st.lists(
    st.builds(
        replace,
        st.sampled_from([FINE, REFUSED, BROKEN]),
        outcome=st.sampled_from(Outcome),
        status=st.sampled_from(Status),
        behaviours=st.lists(
            st.builds(Measured, st.sampled_from("ab"), _CONDUCT, st.integers(1, 2)), max_size=4
        ).map(tuple),
        cost=st.none() | st.floats(0, 1),
        first_token_ms=st.none() | st.floats(0, 1000),
    ),
    min_size=1,
    max_size=4,
)
TASKS = st.lists(
    st.builds(
        lambda exchanges, **said: replace(task(*exchanges), **said),
        _EXCHANGES,
        id=st.sampled_from("uvwxyz"),
        completed=_CONDUCT,
        completed_by=st.sampled_from(Basis),
        satisfaction=st.none() | st.floats(0, 1),
        satisfaction_by=st.sampled_from(Basis),
        is_harmless=st.none() | st.booleans(),
        is_violation=st.none() | st.booleans(),
        corrections=st.lists(st.integers(1, 4), unique=True, max_size=2).map(tuple),
    ),
    max_size=6,
)
_UNKNOWN = replace(
    task(
        replace(
            FINE,
            is_refused=None,
            behaviours=(Measured("a", NOT_SCORED), Measured("b", Conduct.NOT_DRAWN)),
        )
    ),
    id="nobody knows",
    is_harmless=True,
)


@settings(deadline=None, max_examples=40)
@given(TASKS)
def test_what_is_not_scored_moves_no_metric(tasks: Sequence[ObservedTask]) -> None:
    """What nobody looked at would count as good, or as bad."""
    for metric in metrics_of(tasks, [_UNKNOWN]):
        alone, beside = measure(metric, tasks), measure(metric, [*tasks, _UNKNOWN])
        # Whether one was escalated, or failed, is always known.
        if metric.id not in {"escalation_rate", "failure_rate"}:
            assert alone.estimate == beside.estimate
            assert alone.cases == beside.cases
        if alone.estimate is not None:
            low, high = alone.estimate.interval
            assert metric.low <= low <= alone.estimate.point + 1e-9
            assert alone.estimate.point - 1e-9 <= high <= metric.high


@settings(deadline=None, max_examples=40)
@given(TASKS, st.randoms())
def test_the_order_of_tasks_says_nothing(tasks: list[ObservedTask], chance: object) -> None:
    """The same traffic would have other numbers when it is read in another order."""
    shuffled = sorted(tasks, key=lambda _: chance.random())  # type: ignore[attr-defined]  # a random.Random
    for metric in metrics_of(tasks):
        one, other = measure(metric, tasks), measure(metric, shuffled)
        assert one.missed == other.missed
        assert (one.estimate is None) == (other.estimate is None)
        if one.estimate is not None and other.estimate is not None:
            assert one.estimate.point == pytest.approx(other.estimate.point)
            assert one.estimate.interval == pytest.approx(other.estimate.interval, abs=1e-6)


def test_every_metric_says_what_it_is() -> None:
    """The page of metrics would have a number that nobody can read."""
    for name, metric in METRICS.items():
        assert name == metric.id == metric_named(name).id
        assert all((metric.title, metric.formula, metric.unit, metric.not_measured, metric.source))
    assert metric_named("adherence:x").id == "adherence:x"
    for wrong in ("adherence:", "cost:x", "nothing"):
        with pytest.raises(KeyError):
            metric_named(wrong)


def test_json_has_no_infinite_numbers() -> None:
    """A report in JSON could not be read by others."""
    one = measure(METRICS["cost"], [task(replace(FINE, cost=0.5))]).plain()
    assert (one["value"], one["interval"], one["of"]) == (0.5, [0.0, None], 1)
    none = measure(METRICS["cost"], all_checked([True])).plain()
    assert (none["value"], none["interval"], none["not_scored"]) == (None, None, 1)
