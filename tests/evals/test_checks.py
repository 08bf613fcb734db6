"""A check holds where it should, fails where it should, and is not scored where nobody can tell."""

from typing import Any

import pytest

from app.catalog.document import Node
from app.domain.conduct import Conduct, Measured
from app.domain.decision import Applied, Outcome
from app.domain.events import Usage
from app.domain.finding import Finding
from app.domain.policy import Action
from app.domain.record import Timings
from app.evals.asking import Means
from app.evals.checks import score
from app.evals.transcript import ToolCall, Transcript, Turn
from tests.evals.casework import check, rows, shipped


def _ids(row: Node) -> str:
    return str(row.nearest("id").content)


def _means() -> Means:
    return Means(shipped()[1])


def _turn(row: dict[str, Any]) -> Turn:
    tokens = row.get("tokens")
    return Turn(
        user="hello",
        answer=row.get("answer", "Hello."),
        tool_calls=tuple(
            ToolCall(f"c{index}", name, arguments)
            for index, (name, arguments) in enumerate(row.get("calls", ()))
        ),
        outcome=Outcome(row.get("outcome", "allow")),
        applied=tuple(Applied(rule, Action(action)) for rule, action in row.get("applied", ())),
        findings=tuple(
            Finding(detector, category, score_, "text", 0, 1, "1")
            for detector, category, score_ in row.get("findings", ())
        ),
        behaviours=tuple(
            Measured(behaviour, Conduct(conduct))
            for behaviour, conduct in row.get("behaviours", {}).items()
        ),
        usage=None if tokens is None else Usage(tokens, tokens),
        timings=Timings(total_ms=row["total_ms"]) if "total_ms" in row else None,
        cost=row.get("cost"),
    )


@pytest.mark.parametrize("row", [*rows("said"), *rows("happened")], ids=_ids)
async def test_a_check_says_what_it_should(row: Node) -> None:
    """A case would pass that must fail, or fail that must pass."""
    said = row.plain()
    result = await score(check(row.nearest("check")), Transcript((_turn(said),)), _means(), 0)
    assert (result.conduct, result.turn) == (Conduct(said["conduct"]), 0), result.why
    assert (result.why == "") == (result.conduct is Conduct.HELD)
    if "why" in said:
        assert result.why == said["why"]
    assert result.check in {*said["check"], "patterns"}
