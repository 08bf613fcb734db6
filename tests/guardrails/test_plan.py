"""What a policy is compiled to, and what does not load."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from app.domain.errors import ContentError
from app.domain.finding import CLEAN, Detection
from app.domain.policy import Action, Stage, Step, Waiver
from app.guardrails.detector import Scope
from app.guardrails.kinds import KINDS
from app.guardrails.plan import Builds, compile_policy
from tests.guardrails.building import (
    AUDIENCES,
    NOW,
    Local,
    Remote,
    kind,
    patterns,
    plan,
    policy,
    rule,
    words,
)
from tests.guardrails.tables import rows


@pytest.mark.parametrize("row", rows("bad_policies"))
def test_bad_policies(row: dict[str, Any]) -> None:
    """A policy loads that cannot do what it says, or the author is told something else."""
    wrong = row["rule"]
    steps = (Step(wrong.get("at", 0.0), Action(wrong["then"])),)
    more = {"on_unchecked": Action(wrong["on_unchecked"])} if "on_unchecked" in wrong else {}
    made = rule(
        "r",
        wrong.get("detect", {"words": {"words": ["a"]}}),
        dict.fromkeys(wrong.get("audiences", AUDIENCES), steps),
        **more,
    )
    if "stages" in wrong:
        made = rule("r", {"words": {"words": ["a"]}}, steps)
        object.__setattr__(made, "stages", frozenset())
    waiver = row.get("waiver")
    waivers = (
        [Waiver(waiver["rule"], waiver["audience"], Action(waiver["to"]), "", "", date(2027, 1, 1))]
        if waiver
        else []
    )
    with pytest.raises(ContentError) as caught:
        compile_policy(
            policy(made, waivers=waivers), {name: KINDS[name] for name in ("patterns", "words")}
        )
    assert str(caught.value) == row["expect"]


def test_all_problems_are_told_at_once() -> None:
    """An author mends one rule to be told of the next."""
    with pytest.raises(ContentError) as caught:
        plan(rule("a", words("x"), Action.RETRY), rule("b", {"none": {}}, Action.FLAG))
    assert [problem.path for problem in caught.value.problems] == ["rules.a.then", "rules.b.detect"]


def test_rules_that_look_for_the_same_share_a_run() -> None:
    """A detector runs once for each rule."""
    compiled = plan(
        rule("a", words("x", "y"), Action.FLAG),
        rule("b", words("x", "y"), Action.BLOCK),
        rule("c", words("z"), Action.BLOCK),
    )
    stage = compiled.at(Stage.OUTPUT, "public", NOW)
    assert len(stage.local) == 2
    assert [len(stage.rules_of[run.ref]) for run in stage.local] == [2, 1]


def test_policies_of_one_catalog_share_detectors() -> None:
    """Every policy loads its own copy of every model."""
    builds = Builds(KINDS)
    first, second = (
        compile_policy(policy(rule("a", words("x"), act)), KINDS, builds)
        for act in (Action.FLAG, Action.BLOCK)
    )
    runs = [each.at(Stage.OUTPUT, "public", NOW).local[0] for each in (first, second)]
    assert runs[0].detector is runs[1].detector


def test_what_holds_and_what_does_not() -> None:
    """A rule holds text that it can only flag, or releases text that it could stop."""
    whole = Local(lambda _text: [], name="whole")
    sentence = Local(lambda _text: [], Scope.SENTENCE, name="sentence")
    remote = Remote(lambda _text: _never(), name="remote")
    extra = [kind(whole), kind(sentence), kind(remote)]

    def stage(act: Action, *names: str) -> tuple[int, int, int, bool]:
        made = [rule(name, {name: {}}, act, append="+") for name in names]
        made.append(rule("words", words("x"), act, append="+"))
        compiled = plan(*made, extra=extra).at(Stage.OUTPUT, "public", NOW)
        return (
            len(compiled.span_runs),
            len(compiled.sentence_runs),
            len(compiled.late_runs),
            compiled.holds_all,
        )

    assert stage(Action.BLOCK) == (1, 0, 0, False)
    assert stage(Action.FLAG, "whole", "sentence", "remote") == (0, 0, 3, False)
    assert stage(Action.STEER, "whole", "sentence", "remote") == (0, 0, 3, False)
    assert stage(Action.MASK, "sentence") == (1, 1, 0, False)
    assert stage(Action.BLOCK, "whole") == (1, 0, 1, True)
    assert stage(Action.BLOCK, "remote") == (1, 0, 0, True)


async def _never() -> Any:  # noqa: ANN401
    raise AssertionError


def test_a_pattern_without_a_bound_judges_the_whole_text() -> None:
    """An unbounded pattern is followed in a stream as if it had a bound."""
    for settings, scope in (({}, Scope.RESPONSE), ({"max_match": 20}, Scope.SPAN)):
        compiled = plan(rule("r", patterns("a.*b", **settings), Action.MASK))
        assert compiled.at(Stage.OUTPUT, "public", NOW).local[0].detector.scope is scope


def test_only_detectors_that_can_do_something_are_asked_outside() -> None:
    """A judge is paid for though nothing follows from what it says."""
    steps = {
        "minor": (Step(0.0, Action.BLOCK),),
        "public": (Step(0.0, Action.FLAG),),
        "professional": (Step(0.0, Action.ALLOW),),
    }
    compiled = plan(rule("r", {"remote": {}}, steps), extra=[kind(Remote(lambda _text: _never()))])
    asked = [len(compiled.at(Stage.OUTPUT, audience, NOW).remote) for audience in AUDIENCES]
    assert asked == [1, 1, 0]


def test_a_rule_that_does_not_run_here_is_left_out() -> None:
    """A record would say that a detector ran which is not installed."""

    async def answer(_text: str) -> Detection:
        return CLEAN

    absent = replace(kind(Remote(answer)), runs_here=lambda _: False)
    compiled = plan(
        rule("away", {"remote": {}}, Action.BLOCK, Stage.INPUT),
        rule("here", words("x"), Action.BLOCK, Stage.INPUT),
        extra=[absent],
    )
    at = compiled.at(Stage.INPUT, "public", NOW)
    assert compiled.left_out == ("away",)
    assert [each.id for each in at.rules] == ["here"]
    assert [ref.detector for ref in at.ran] == ["words"]


def test_a_span_detector_without_shapes_does_not_load() -> None:
    """A detector could release text that it would have found something in."""
    with pytest.raises(ContentError, match="has to declare shapes"):
        plan(rule("r", {"local": {}}, Action.MASK), extra=[kind(Local(lambda _t: [], Scope.SPAN))])


def test_what_asks_outside_is_never_shown_restored_values() -> None:
    """Personal data that a judge got as pseudonyms would reach it as it is."""

    async def answer(_text: str) -> Detection:
        return CLEAN

    sees_values = replace(kind(Remote(answer)), looks_at_restored=True)
    with pytest.raises(ContentError, match="restored values are for local detectors only"):
        plan(rule("r", {"remote": {}}, Action.FLAG), extra=[sees_values])


def test_a_detector_outside_has_the_longest_time_that_a_rule_gives_it() -> None:
    """A rule that waits long would be decided by the deadline of another one."""

    async def answer(_text: str) -> Detection:
        return CLEAN

    for times in ((50, 900), (900, 50)):
        rules = [
            rule(f"r{time_ms}", {"remote": {}}, Action.FLAG, timeout_ms=time_ms)
            for time_ms in times
        ]
        compiled = plan(*rules, extra=[kind(Remote(answer))])
        (run,) = compiled.at(Stage.OUTPUT, "public", NOW).remote
        assert run.timeout_ms == 900


def test_a_waiver_is_for_its_audience_alone() -> None:
    """A waiver for adults would loosen a rule for minors."""
    day = date(2027, 1, 1)
    waivers = [
        Waiver("a", "professional", Action.FLAG, "why", "who", day),
        Waiver("b", "minor", Action.FLAG, "why", "who", day),
    ]
    block = [rule(id_, words(id_), Action.BLOCK) for id_ in ("a", "b")]
    compiled = plan(*block, waivers=waivers)
    acts = {
        audience: [each.steps[0].do for each in compiled.at(Stage.OUTPUT, audience, NOW).rules]
        for audience in AUDIENCES
    }
    assert acts == {
        "minor": [Action.BLOCK, Action.FLAG],
        "public": [Action.BLOCK, Action.BLOCK],
        "professional": [Action.FLAG, Action.BLOCK],
    }
