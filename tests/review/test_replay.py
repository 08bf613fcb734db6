"""Replaying records under a change of files: what is told of them, and why."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from app.domain.conduct import Conduct, Measured
from app.domain.decision import Applied, Decision, Outcome, UncheckedRun
from app.domain.persona import Behaviour, Verify
from app.domain.policy import Action, Mode, Rule, Stage, Step, Waiver
from app.domain.record import Status
from app.ledger.columns import columns_of
from app.ledger.recorded import LAST, Recorded
from app.pipeline.loaded import Loaded
from app.review.replay import replay
from app.review.replayed import Count, Flip, Reason, Replayed, State
from tests.guardrails.building import policy, rule, words
from tests.review.living import PERSONA, revision
from tests.review.recording import BLOCKED, NOON, base, edited, recorded, ref_of, seen, trace

LOOSER = {"policies/house.yaml": [["{at: 0.9, do: block}", "{at: 0.95, do: block}"]]}
BOTH = (Stage.INPUT, Stage.OUTPUT)
BLOCK = rule("slurs", words("darn"), Action.BLOCK, *BOTH)
FLAG = rule("slurs", words("darn"), Action.FLAG, *BOTH)


def project(
    *rules: Rule,
    digest: str = "sha256:old",
    name: str = "test",
    waivers: Sequence[Waiver] = (),
    behaviours: Sequence[Behaviour] = (),
) -> Loaded:
    """A project of one persona, under these rules."""
    return revision(replace(policy(*rules, waivers=waivers), id=name), behaviours, digest)


def told(before: Loaded, after: Loaded, *records: Recorded) -> Replayed:
    """What replaying these says."""
    return replay([columns_of(records)], before, after)


def asked_badly(before: Loaded, outcome: Outcome = Outcome.BLOCK) -> Recorded:
    """A request with a slur, and what was done about it."""
    slur = seen(ref_of(before, PERSONA, "slurs"), 1.0)
    applied = [] if outcome is Outcome.ALLOW else [Applied("slurs", Action(outcome), (0,))]
    return recorded(before, PERSONA, request=[slur], outcome=outcome, applied=applied)


def answered_badly(before: Loaded, outcome: Outcome = Outcome.BLOCK) -> Recorded:
    """An answer with a slur, and what was done about it."""
    slur = seen(ref_of(before, PERSONA, "slurs"), 1.0, path="choices[0].text")
    stopped = frozenset({(LAST, 0)}) if outcome is Outcome.BLOCK else frozenset()
    applied = [] if outcome is Outcome.ALLOW else [Applied("slurs", Action(outcome), (0,))]
    made = recorded(before, PERSONA, answer=[slur], outcome=outcome, applied=applied)
    return replace(made, stopped=stopped)


def only(made: Replayed) -> Flip:
    """The one flip that there is."""
    (flip,) = made.flips
    return flip


def test_a_raised_threshold_lets_through_what_was_blocked(tmp_path: Path) -> None:
    """A reviewer is not told which recorded requests a weaker rule would let pass, and why."""
    before, after = base(), edited(tmp_path, LOOSER)
    slur, worse = (seen(ref_of(before, "ann", "slurs"), score) for score in (0.92, 0.99))
    made = told(
        before,
        after,
        recorded(before, request=[slur], outcome=Outcome.BLOCK, applied=BLOCKED),
        recorded(before, request=[worse], outcome=Outcome.BLOCK, applied=BLOCKED),
        recorded(before),
    )
    flip = only(made)
    assert (flip.before, flip.after, flip.count) == (Outcome.BLOCK, Outcome.FLAG, 1)
    assert (flip.state, flip.of) == (State.COUNTERFACTUAL, 3)
    assert flip.interval[0] < flip.share < flip.interval[1]
    assert (flip.personas, flip.audiences) == ((Count("ann", 1),), (Count("public", 1),))
    assert flip.examples == ("r1",)
    (cause,) = flip.causes
    assert (cause.rule, cause.concern, cause.policy) == ("slurs", "then", "house")
    assert (cause.file, cause.line) == ("policies/house.yaml", 8)
    assert made.baseline.agreed == made.total == 3
    assert made.is_weaker
    assert orjson.loads(orjson.dumps(made))["flips"][0]["causes"][0]["rule"] == "slurs"


def test_the_same_files_change_nothing() -> None:
    """A change of nothing is told as a change of decisions."""
    before = project(FLAG)
    made = told(before, before, asked_badly(before, Outcome.FLAG), recorded(before, PERSONA))
    assert (made.state(State.EXACT), made.flips, made.is_weaker) == (2, (), False)


@pytest.mark.parametrize(
    ("after", "concern", "what"),
    [
        ([FLAG], "then", "'block' becomes 'flag'"),
        ([], "rules", "is gone; it did 'block'"),
        ([replace(BLOCK, mode=Mode.OBSERVE)], "mode", "'block' becomes 'allow'"),
        ([replace(BLOCK, enforce_percent=0.0)], "mode", "'block' becomes 'allow'"),
        ([replace(BLOCK, stages=frozenset({Stage.OUTPUT}))], "stages", "'block' becomes 'allow'"),
    ],
)
def test_a_flip_names_what_reads_differently(after: list[Rule], concern: str, what: str) -> None:
    """A reviewer looks for the cause in the wrong key."""
    before = project(BLOCK)
    other = rule("other", words("zz"), Action.FLAG, Stage.TOOL_CALL)
    flip = only(told(before, project(*after, other, digest="new"), asked_badly(before)))
    assert [(cause.concern, cause.what) for cause in flip.causes] == [(concern, what)]


def test_a_new_rule_is_a_cause_where_its_detector_looked() -> None:
    """A stricter rule that needs no new detector is said to need one, or turns nothing."""
    before = project(FLAG)
    new = rule("kind", words("darn"), Action.BLOCK, *BOTH)
    flip = only(told(before, project(FLAG, new, digest="new"), asked_badly(before, Outcome.FLAG)))
    assert (flip.before, flip.after, flip.state) == (Outcome.FLAG, Outcome.BLOCK, State.EXACT)
    assert [(each.rule, each.what) for each in flip.causes] == [("kind", "is new; it does 'block'")]
    assert not flip.is_weaker


def test_waivers_hold_at_the_time_of_the_record() -> None:
    """A waiver of today decides traffic of last month, or one that has ended still does."""
    before = project(BLOCK)
    day = NOON.date()
    waivers = [Waiver("slurs", "public", Action.FLAG, "a test", "me", day)]
    after = project(BLOCK, digest="new", waivers=waivers)
    in_time = asked_badly(before)
    late = replace(in_time, request_id="late", at=NOON + timedelta(days=1))
    flip = only(told(before, after, in_time, late))
    assert (flip.examples, flip.causes[0].concern) == (("r1",), "waivers")


def test_another_policy_of_a_persona_is_told_at_its_line() -> None:
    """A persona that moves to a looser policy looks like a change of rules."""
    before = project(BLOCK)
    after = project(FLAG, digest="new", name="loose")
    made = told(before, after, asked_badly(before))
    (cause,) = only(made).causes
    assert (cause.concern, cause.file) == ("policy", "personas/ann.yaml")
    assert "'test'" in cause.what
    assert [(each.recorded, each.policy, each.count) for each in made.moved] == [
        ("test", "loose", 1)
    ]


def test_a_stopped_answer_that_goes_on_has_no_rest_to_look_at() -> None:
    """What nobody has seen of an answer counts as harmless."""
    before, after = project(BLOCK), project(FLAG, digest="new")
    assert only(told(before, after, answered_badly(before))).state is State.COUNTERFACTUAL
    stricter = answered_badly(after, Outcome.FLAG)
    assert only(told(after, before, stricter)).state is State.EXACT


def test_a_detector_that_did_not_look_is_named() -> None:
    """A rule that looks for something new is told to change nothing."""
    before = project(FLAG)
    new = rule("money", words("invest"), Action.BLOCK, Stage.OUTPUT)
    after = project(FLAG, new, digest="new")
    made = told(before, after, recorded(before, PERSONA), asked_badly(before, Outcome.FLAG))
    assert made.state(State.NEEDS_DETECTOR) == 2
    (need,) = made.needs
    assert (need.detector, need.rules, need.count) == ("words", ("money",), 2)
    observed = project(FLAG, replace(new, mode=Mode.OBSERVE), digest="new")
    assert told(before, observed, recorded(before, PERSONA)).state(State.EXACT) == 1


def test_what_is_blocked_anyway_needs_nobody_else() -> None:
    """Every new rule makes all that is blocked uncertain."""
    before = project(BLOCK)
    new = rule("money", words("invest"), Action.BLOCK, Stage.INPUT)
    made = told(before, project(BLOCK, new, digest="new"), asked_badly(before))
    assert (made.state(State.EXACT), made.needs) == (1, ())


def test_why_some_cannot_be_replayed() -> None:
    """Records that say nothing are counted as records in which nothing changed."""
    before, after = project(BLOCK), project(FLAG, digest="new")
    plain = recorded(before, PERSONA)
    cases: dict[Reason, Recorded] = {
        Reason.FINDINGS_EXPIRED: replace(plain, input=None),
        Reason.OPEN: replace(plain, status=None),
        Reason.CUT_OFF: replace(plain, status=Status.CUT_OFF),
        Reason.PERSONA_GONE: replace(plain, persona="gone"),
        Reason.AUDIENCE_GONE: replace(plain, audience="gone"),
    }
    made = told(before, after, *cases.values())
    assert {each.name: each.count for each in made.reasons} == dict.fromkeys(cases, 1)
    assert (made.state(State.NOT_REPLAYABLE), made.decided) == (5, 0)


def test_the_baseline_says_whether_the_base_decides_what_was_recorded() -> None:
    """A gateway of another version, or older files, pass for the effect of the change."""
    before, after = project(BLOCK), project(FLAG, digest="new")
    flagged = asked_badly(before, Outcome.FLAG)
    drifted = replace(flagged, request_id="drifted")
    other = replace(flagged, request_id="other", catalog="sha256:older", at=NOON - timedelta(9))
    made = told(before, after, asked_badly(before), drifted, other)
    baseline = made.baseline
    assert (baseline.agreed, baseline.drifted, baseline.other) == (1, 1, 1)
    (drift,), (difference,) = baseline.drift, baseline.differences
    assert (drift.recorded, drift.replayed, drift.rules) == (
        Outcome.FLAG,
        Outcome.BLOCK,
        ("slurs",),
    )
    assert (drift.examples, difference.examples) == (("drifted",), ("other",))
    assert [(each.catalog, each.count) for each in made.revisions] == [
        (before.catalog.digest, 2),
        ("sha256:older", 1),
    ]
    assert made.of_other_revisions == pytest.approx(1 / 3)
    assert (made.oldest, made.newest) == (other.at, NOON)


def test_block_to_allow_comes_first() -> None:
    """What a reviewer must not miss stands below what is harmless."""
    stages = {name: rule(name, words(name), Action.FLAG, Stage.OUTPUT) for name in "abc"}
    changed = {
        "a": replace(stages["a"], then=_always(Action.BLOCK)),
        "b": replace(stages["b"], mode=Mode.OBSERVE),
        "c": replace(stages["c"], mode=Mode.OBSERVE),
    }
    stages["c"] = replace(stages["c"], then=_always(Action.MASK))
    before, after = project(*stages.values()), project(*changed.values(), digest="new")
    records = []
    for name, outcome in (("a", Outcome.FLAG), ("b", Outcome.FLAG), ("c", Outcome.MASK)):
        found = seen(ref_of(before, PERSONA, name), 1.0, path="choices[0].text")
        applied = [Applied(name, Action(outcome), (0,))]
        records.append(recorded(before, PERSONA, answer=[found], outcome=outcome, applied=applied))
    made = told(before, after, *records)
    assert [(each.before, each.after) for each in made.flips] == [
        (Outcome.MASK, Outcome.ALLOW),
        (Outcome.FLAG, Outcome.ALLOW),
        (Outcome.FLAG, Outcome.BLOCK),
    ]
    assert made.baseline.agreed == 3


def _always(action: Action) -> dict[str, tuple[Step, ...]]:
    return dict.fromkeys(("minor", "public", "professional"), (Step(0.0, action),))


def _greets(**more: object) -> Behaviour:
    verify = Verify(detector="words", settings={"words": ["hello"]}, expect="present")
    made = Behaviour(id="greets", instruct="Greet.", verify=verify)
    return made.model_copy(update=more)


def _measured(before: Loaded, *conducts: Conduct, action: Action, outcome: Outcome) -> Recorded:
    (planned,) = before.find(PERSONA, None).behaviours
    ref = planned.run.ref
    said = tuple(
        Measured("greets", conduct, number, action, detector=ref.detector, spec=ref.spec)
        for number, conduct in enumerate(conducts, 1)
    )
    return replace(recorded(before, PERSONA), behaviours=said, outcome=outcome)


@pytest.mark.parametrize(
    ("change", "after", "state"),
    [
        ({"on_fail": "block"}, Outcome.BLOCK, State.EXACT),
        ({"on_fail": "steer"}, Outcome.STEER, State.EXACT),
        ({"on_fail": "retry"}, Outcome.RETRY, State.COUNTERFACTUAL),
    ],
)
def test_another_consequence_of_a_behaviour_is_exact(
    change: dict[str, object], after: Outcome, state: State
) -> None:
    """What a behaviour's `on_fail` would have done is not told, or guessed where nobody knows."""
    before = project(FLAG, behaviours=(_greets(),))
    changed = project(FLAG, digest="new", behaviours=(_greets(**change),))
    failed = _measured(before, Conduct.FAILED, action=Action.FLAG, outcome=Outcome.FLAG)
    made = told(before, changed, failed)
    flip = only(made)
    assert (flip.before, flip.after, flip.state) == (Outcome.FLAG, after, state)
    assert [(each.rule, each.concern) for each in flip.causes] == [("greets", "behaviours")]
    held = _measured(before, Conduct.HELD, action=Action.ALLOW, outcome=Outcome.ALLOW)
    assert told(before, changed, held).flips == ()


def test_an_answer_that_is_no_longer_made_again_ends_at_its_first_attempt() -> None:
    """What was seen of an answer that would never have been made decides."""
    again = project(FLAG, behaviours=(_greets(on_fail="retry"),))
    once = project(FLAG, digest="new", behaviours=(_greets(),))
    slur = seen(ref_of(again, PERSONA, "slurs"), 1.0, path="choices[0].text")
    made = _measured(
        again, Conduct.FAILED, Conduct.HELD, action=Action.RETRY, outcome=Outcome.RETRY
    )
    parts = (trace(again, PERSONA, Stage.OUTPUT), trace(again, PERSONA, Stage.OUTPUT, slur))
    flip = only(told(again, once, replace(made, answer=parts)))
    assert (flip.before, flip.after, flip.state) == (Outcome.RETRY, Outcome.FLAG, State.EXACT)
    assert [each.concern for each in flip.causes] == ["behaviours"]


def test_a_behaviour_that_is_measured_otherwise_needs_its_detector() -> None:
    """An answer is said to keep to what it was never held against."""
    before = project(FLAG, behaviours=(_greets(),))
    verify = Verify(detector="words", settings={"words": ["good day"]}, expect="present")
    changed = project(FLAG, digest="new", behaviours=(_greets(verify=verify),))
    held = _measured(before, Conduct.HELD, action=Action.ALLOW, outcome=Outcome.ALLOW)
    made = told(before, changed, held)
    assert [need.rules for need in made.needs] == [("behaviours.greets",)]


def test_rules_that_do_not_run_here_are_named() -> None:
    """Rules of which nothing can be said look as if they had nothing to say."""
    before = project(FLAG, rule("gone", {"absent": {}}, Action.FLAG, Stage.INPUT))
    assert told(before, before).left_out == (("test", "gone"),)


def test_nothing_recorded_is_nothing_told() -> None:
    """An empty ledger ends in a division by zero."""
    made = told(project(FLAG), project(BLOCK, digest="new"))
    assert (made.total, made.oldest, made.flips, made.of_other_revisions) == (0, None, (), 0)


ASKS: dict[str, dict[str, object]] = {"remote": {}}


def _asks(action: Action, **more: object) -> Rule:
    return rule("asks", ASKS, action, Stage.INPUT, **more)


def test_nobody_outside_is_asked_about_a_request_that_is_stopped_here() -> None:
    """What a detector outside said then decides a request that it would never be shown."""
    before = project(FLAG, _asks(Action.FLAG))
    after = project(replace(FLAG, then=_always(Action.ESCALATE)), _asks(Action.BLOCK), digest="new")
    found = [
        seen(ref_of(before, PERSONA, name), 1.0, category="asks") for name in ("slurs", "asks")
    ]
    applied = [Applied("slurs", Action.FLAG, (0,)), Applied("asks", Action.FLAG, (1,))]
    said = recorded(before, PERSONA, request=found, outcome=Outcome.FLAG, applied=applied)
    flip = only(told(before, after, said))
    assert (flip.after, flip.state) == (Outcome.ESCALATE, State.EXACT)


def test_who_would_not_be_asked_cannot_be_out() -> None:
    """An outage of a detector that the change no longer asks stops what it lets pass."""
    before = project(FLAG, _asks(Action.FLAG, on_unchecked=Action.FLAG))
    after = project(FLAG, _asks(Action.ALLOW, on_unchecked=Action.BLOCK), digest="new")
    ref = ref_of(before, PERSONA, "asks")
    out = UncheckedRun(ref.detector, ref.spec, "messages[0].content", "out")
    applied = (Applied("asks", Action.FLAG, (), is_unchecked=True),)
    plain = recorded(before, PERSONA)
    assert plain.input is not None
    said = replace(
        plain,
        input=(replace(plain.input[0], unchecked=(out,)),),
        decisions=(Decision(Stage.INPUT, applied), Decision(Stage.OUTPUT)),
        input_outcome=Outcome.FLAG,
        outcome=Outcome.FLAG,
    )
    made = told(before, after, said)
    assert made.baseline.agreed == 1
    assert (only(made).before, only(made).after) == (Outcome.FLAG, Outcome.ALLOW)


def test_what_stops_an_answer_first_is_not_known() -> None:
    """One of two ways to end is told as if the other could not have come first."""
    names = ("slurs", "money")
    before = project(*(rule(name, words(name), Action.FLAG, Stage.OUTPUT) for name in names))
    ends = dict(zip(names, (Action.ESCALATE, Action.BLOCK), strict=True))
    after = project(
        *(rule(name, words(name), ends[name], Stage.OUTPUT) for name in names), digest="new"
    )
    found = [seen(ref_of(before, PERSONA, name), 1.0, path="choices[0].text") for name in names]
    applied = [Applied(name, Action.FLAG, (at,)) for at, name in enumerate(names)]
    both = recorded(before, PERSONA, answer=found, outcome=Outcome.FLAG, applied=applied)
    assert only(told(before, after, both)).state is State.COUNTERFACTUAL
    one = recorded(before, PERSONA, answer=found[1:], outcome=Outcome.FLAG)
    assert only(told(before, after, one)).state is State.EXACT


def test_an_answer_that_is_stopped_now_was_measured_in_vain() -> None:
    """What was measured of choices together is told of what policy leaves of them."""
    before = project(FLAG, behaviours=(_greets(),))
    slur = seen(ref_of(before, PERSONA, "slurs"), 1.0, path="choices[0].text")
    failed = _measured(before, Conduct.FAILED, action=Action.FLAG, outcome=Outcome.FLAG)
    said = replace(failed, answer=(trace(before, PERSONA, Stage.OUTPUT, slur),))
    for action, state in ((Action.ESCALATE, State.COUNTERFACTUAL), (Action.BLOCK, State.EXACT)):
        stops = replace(FLAG, then=_always(action))
        after = project(stops, digest="new", behaviours=(_greets(),))
        assert only(told(before, after, said)).state is state
