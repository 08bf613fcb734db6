"""Error recovery: what is off course, what is back on it, and in how many turns."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.domain.conduct import Conduct
from app.domain.decision import Outcome
from app.domain.record import Status
from app.metrics.course import episodes
from app.metrics.definitions import METRICS, measure
from app.metrics.observed import ObservedTask
from tests.metrics.observations import BROKEN, FINE, REFUSED, task

ROWS = yaml.safe_load(  # noqa: TID251  # a table of tests
    (Path(__file__).parent.parent / "cases/metrics/recovery.yaml").read_text("utf-8")
)
_TURNS = {
    "fine": FINE,
    "corrected": FINE,
    "refused": REFUSED,
    "failed": BROKEN,
    "unchecked": replace(FINE, outcome=Outcome.UNCHECKED, is_refused=None),
    "cut_off": replace(FINE, status=Status.CUT_OFF),
    "cancelled": replace(FINE, status=Status.CANCELLED),
    "tool": replace(FINE, is_tool_failure=True),
    "broken": replace(FINE, checks=Conduct.FAILED),
}


def conversation(row: dict[str, Any]) -> ObservedTask:
    """The task of a row."""
    return replace(
        task(*(_TURNS[turn] for turn in row["turns"])),
        completed=Conduct(row.get("completed", "not_scored")),
        is_harmless=row.get("is_harmless"),
        corrections=tuple(
            turn for turn, name in enumerate(row["turns"], start=1) if name == "corrected"
        ),
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_episodes_end_where_the_conversation_is_back_on_course(row: dict[str, Any]) -> None:
    """Recovery would be counted where there was none, or overlooked where there was one."""
    found = episodes(conversation(row))
    assert [each.turns if each.is_recovered else "no" for each in found] == row["episodes"]
    recovered = [each for each in row["episodes"] if each != "no"]
    rate = measure(METRICS["error_recovery"], [conversation(row)])
    turns = measure(METRICS["recovery_turns"], [conversation(row)])
    assert (rate.estimate is None) == (not row["episodes"])
    assert rate.estimate is None or rate.estimate.of == len(row["episodes"])
    assert (0.0 if rate.estimate is None else rate.estimate.point) == (
        len(recovered) / max(len(row["episodes"]), 1)
    )
    assert (turns.estimate.point if turns.estimate else 0) == (
        sum(recovered) / max(len(recovered), 1)
    )


def test_an_error_in_a_request_of_no_session_is_not_scored() -> None:
    """Requests whose users may well have gone on elsewhere would all be errors that stayed."""
    alone = task(replace(REFUSED, session=None))
    left = task(replace(REFUSED, session="s"), name="left")
    found = measure(METRICS["error_recovery"], [alone, left])
    assert found.estimate is not None
    assert (found.estimate.point, found.estimate.of, found.missed) == (0.0, 1, 1)
