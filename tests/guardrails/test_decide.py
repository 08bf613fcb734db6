"""What policy does about findings, as a table."""

from datetime import date
from typing import Any

import pytest

from app.domain.decision import Applied, Outcome, StageTrace, UncheckedRun
from app.domain.finding import Finding
from app.domain.policy import Action, Mode, Stage, Step, Waiver
from app.guardrails.decide import decide, not_looked_for, outcome_of
from tests.guardrails.building import NOW, Local, kind, plan, rule, words
from tests.guardrails.tables import rows

PATH = "messages[0].content"


@pytest.mark.parametrize("row", rows("decide"))
def test_table(row: dict[str, Any]) -> None:
    """Policy does something else about a finding than the table says."""
    more = {"on_unchecked": Action(row["on_unchecked"])} if "on_unchecked" in row else {}
    steps = tuple(Step(step["at"], Action(step["do"])) for step in row["then"])
    deciding = rule(
        "r",
        {"local": {}},
        steps,
        Stage.INPUT,
        mode=Mode(row.get("mode", "enforce")),
        append="+",
        **more,
    )
    waivers = [
        Waiver("r", w["audience"], Action(w["to"]), "why", "who", _day(w["expires"]))
        for w in row.get("waivers", [])
    ]
    compiled = plan(deciding, waivers=waivers, extra=[kind(Local(lambda _text: []))])
    finding = Finding("local", "c", row.get("score", 0), PATH, 0, 1, "1")
    trace = StageTrace(
        Stage.INPUT,
        (),
        (finding,) if "score" in row else (),
        (UncheckedRun("local", "", PATH, "out"),) if row.get("unchecked") else (),
        frozenset({PATH}) if row.get("is_earlier") else frozenset(),
    )
    (made,) = decide(compiled, "public", (trace,), NOW)
    assert made.applied == tuple(_applied(line) for line in row["expect"])
    first = row["expect"][0]["action"] if row["expect"] else "allow"
    assert outcome_of([made]) is Outcome(row.get("outcome", first))


def _day(value: date) -> date:
    return value


def _applied(line: dict[str, Any]) -> Applied:
    is_unchecked = line.get("is_unchecked", False)
    return Applied(
        "r",
        Action(line["action"]),
        () if is_unchecked else (0,),
        is_observed=line.get("is_observed", False),
        is_unchecked=is_unchecked,
    )


def test_what_a_rule_could_not_act_on_need_not_have_been_looked_for() -> None:
    """A decision that is exact would be told to need a detector that changes nothing."""
    compiled = plan(
        rule("a", {"local": {}}, Action.FLAG, Stage.INPUT),
        rule("b", words("x"), Action.ALLOW, Stage.INPUT),
        extra=[kind(Local(lambda _text: []))],
    )
    here = compiled.at(Stage.INPUT, "public", NOW)
    (missing,) = not_looked_for(here, StageTrace(Stage.INPUT, ()))
    assert missing.detector == "local"
    assert not_looked_for(here, StageTrace(Stage.INPUT, (missing,))) == ()
