"""Results of runs: what is written is read again, and nothing else is."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.conduct import Conduct, Measured
from app.domain.decision import Outcome
from app.domain.errors import RequestError
from app.domain.record import Status, Timings
from app.domain.recording import AnswersFrom, GivenBy, Purpose
from app.evals.check_result import CheckResult
from app.evals.journal import Journal
from app.evals.results import (
    CaseRun,
    CaseState,
    Ended,
    EvalRun,
    ResultsError,
    Used,
    case_line,
    read_case_line,
    read_results,
    results_json,
)
from app.evals.run_suites import is_outage
from app.evals.transcript import ToolCall, Transcript, Turn
from app.metrics.observed import ObservedExchange, ObservedTask

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def case_run(state: CaseState = CaseState.HELD, *checks: CheckResult, why: str = "") -> CaseRun:
    """A run of a case with a bit of everything."""
    exchange = ObservedExchange(
        "r1", "s", 1, "tutor", None, "sha256:0", NOW, Outcome.ALLOW, Status.COMPLETED, 12.5,
        behaviours=(Measured("one-step", Conduct.HELD, score=0.5),),
    )  # fmt: skip
    turn = Turn(
        "hi",
        "ho 🍞",
        tool_calls=(ToolCall("c", "t", "{}"),),
        timings=Timings(1, 2, 3),
        request_id="r1",
    )
    task = ObservedTask("personas/tutor/a", "tutor", None, "sha256:0", (exchange,))
    used = Used(Purpose.ANSWER, "b", "m", GivenBy.MODEL, 1, date(2026, 1, 1), date(2026, 1, 2))
    return CaseRun(
        suite="personas/tutor",
        case="a",
        persona="tutor",
        variant=None,
        audience="",
        tags=("smoke",),
        file="personas/tutor.cases.yaml",
        line=3,
        repeat=0,
        seed=7,
        state=state,
        why=why,
        ended=Ended.SCRIPT,
        checks=checks,
        task=task,
        transcript=Transcript((turn,), "You are"),
        used=(used,),
    )


def eval_run(*runs: CaseRun) -> EvalRun:
    """A run on recorded answers."""
    return EvalRun("sha256:0", AnswersFrom.RECORDED, None, 0, 1, runs)


HELD = CheckResult("contains", Conduct.HELD, place="goal[0]")
FAILED = CheckResult("contains", Conduct.FAILED, "lacks 'a'", place="goal[1]")
OPEN = CheckResult("judge", Conduct.NOT_SCORED, "nobody asked")


def test_what_is_written_is_read_again() -> None:
    """A run that goes on would go on from other results than there were."""
    run = case_run(CaseState.FAILED, HELD, FAILED)
    assert read_case_line(case_line(run)) == run
    live = replace(eval_run(run), answers=AnswersFrom.LIVE, at=NOW)
    assert read_results(results_json(live)) == live


def test_recorded_runs_have_no_time_of_day() -> None:
    """The same run would not give the same bytes, and every report would differ."""
    first = eval_run(case_run(CaseState.HELD, HELD))
    task = first.runs[0].task
    assert task is not None
    later = replace(task.exchanges[0], at=datetime(2027, 1, 1, tzinfo=UTC))
    again = eval_run(replace(first.runs[0], task=replace(task, exchanges=(later,))))
    assert results_json(first) == results_json(again)


@settings(deadline=None, max_examples=80)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_what_is_no_result_is_refused(content: bytes) -> None:
    """A broken file would stop a run with a traceback, or pass for results."""
    for read in (read_results, read_case_line):
        with pytest.raises(ResultsError):
            read(content)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_result_is_refused_or_another_result(data: st.DataObject) -> None:
    """A line that was damaged would stop a run with a traceback."""
    line = bytearray(case_line(case_run(CaseState.FAILED, FAILED)))
    line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ResultsError):
        assert isinstance(read_case_line(bytes(line)), CaseRun)


@pytest.mark.parametrize(
    ("run", "gates"),
    [
        (case_run(CaseState.HELD, HELD), False),
        (case_run(CaseState.FAILED, HELD, FAILED), True),
        (case_run(CaseState.FAILED, HELD, replace(FAILED, can_gate=False)), False),
        (case_run(CaseState.FAILED, FAILED, replace(FAILED, can_gate=False)), True),
        (case_run(CaseState.NOT_SCORED, HELD, OPEN), True),
        (case_run(CaseState.NOT_SCORED, HELD, replace(OPEN, can_gate=False)), False),
        (case_run(CaseState.NOT_SCORED, why="not recorded"), True),
        (case_run(CaseState.NOT_SCORED), True),
        (case_run(CaseState.ERROR, why="timeout"), True),
    ],
)
def test_a_judge_that_has_not_shown_what_it_is_worth_stops_nothing(
    run: CaseRun, *, gates: bool
) -> None:
    """A merge would stop on the word of a judge nobody has checked, or go through unscored."""
    assert run.gates is gates


def test_every_state_has_its_count() -> None:
    """Nobody would see that half of the cases were not scored."""
    run = eval_run(case_run(), case_run(CaseState.NOT_SCORED), case_run(CaseState.NOT_SCORED))
    assert run.counts == {
        CaseState.HELD: 1,
        CaseState.FAILED: 0,
        CaseState.NOT_SCORED: 2,
        CaseState.ERROR: 0,
    }
    assert run.answered == (date(2026, 1, 1), date(2026, 1, 2))


async def test_what_broke_off_is_run_again_and_what_is_known_is_not(tmp_path: Path) -> None:
    """A run that goes on would keep an outage for a result, or pay for a result again."""
    journal = Journal(tmp_path, {"cases": "these"})
    journal.begin()
    runs = [
        replace(case_run(state, FAILED if state is CaseState.FAILED else HELD), case=state.value)
        for state in CaseState
    ]
    for run in runs:
        await journal.keep(run)
    again = Journal(tmp_path, {"cases": "these"})
    done = again.resume()
    assert [run.state for run in done] == [CaseState.HELD, CaseState.FAILED]
    await again.keep(replace(runs[3], state=CaseState.HELD))
    assert len(again.resume()) == 3
    with pytest.raises(RequestError, match="no run of these files"):
        Journal(tmp_path, {"cases": "others"}).resume()
    again.end(runs)
    assert journal.path.exists()
    again.end(done)
    assert not journal.path.exists()


@pytest.mark.parametrize(
    ("outcome", "state", "is_one"),
    [
        (Outcome.UNCHECKED, CaseState.FAILED, True),
        (Outcome.UNCHECKED, CaseState.NOT_SCORED, True),
        (Outcome.UNCHECKED, CaseState.HELD, False),
        (Outcome.BLOCK, CaseState.FAILED, False),
    ],
)
def test_an_outage_of_a_detector_is_no_failure_of_a_persona(
    outcome: Outcome, state: CaseState, *, is_one: bool
) -> None:
    """A machine that is too slow for a detector would turn a merge red for the persona's sake."""
    transcript = Transcript((Turn("hi", "later", outcome=outcome),))
    assert is_outage(state, transcript) is is_one
