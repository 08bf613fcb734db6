"""The Replay law, its pure part: what was decided live is what the recorded trace gives again."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.conversation import Segment
from app.domain.decision import Applied, Outcome
from app.domain.events import TextDelta, ToolCallDelta
from app.domain.policy import Action, Mode, Stage, Step, Waiver
from app.guardrails.decide import decide, not_looked_for, outcome_of
from app.guardrails.evaluate import inspect_segments
from app.guardrails.plan import PolicyPlan
from app.guardrails.pseudonyms import Minter
from tests.guardrails.building import (
    AUDIENCES,
    KEY,
    NOW,
    SCOPE,
    Local,
    guard,
    kind,
    patterns,
    pieces,
    plan,
    rule,
    run,
    stream,
    words,
)

LAW = settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow])
ACTS = [action for action in Action if action is not Action.RETRY]
STEPS = st.lists(st.sampled_from(ACTS), min_size=1, max_size=3).map(
    lambda acts: tuple(Step(n / 3, act) for n, act in enumerate(acts))
)


DRAWS = st.sampled_from([0.0, 9.99, 10.0, 49.99, 50.0, 99.99])
Detect = Mapping[str, Mapping[str, object]]


def _halves(text: str) -> list[tuple[int, int]]:
    if "!" in text:
        raise ValueError
    return [(0, len(text) // 2)] if len(text) > 3 else []


@st.composite
def policies(draw: st.DrawFn) -> PolicyPlan:
    """Rules of several kinds, one of which may be out, in both modes, with waivers."""
    stages = (Stage.INPUT, Stage.OUTPUT, Stage.TOOL_CALL)
    detects: list[Detect] = [
        words("ab"),
        patterns("a+b?", max_match=9),
        {"half": {}},
        {"local": {}},
    ]
    rules = [
        rule(
            f"r{n}",
            detect,
            {audience: draw(STEPS) for audience in AUDIENCES},
            *draw(st.sets(st.sampled_from(stages), min_size=1)),
            mode=draw(st.sampled_from(list(Mode))),
            enforce_percent=draw(st.sampled_from([10.0, 50.0, 100.0])),
            on_unchecked=draw(st.sampled_from([Action.BLOCK, Action.FLAG, Action.ALLOW])),
            append=f" +{n}",
        )
        for n, detect in enumerate(detects)
    ]
    day = NOW.date() + timedelta(days=draw(st.integers(-1, 1)))
    waivers = [Waiver("r0", "public", Action.FLAG, "for a test", "me", day)]
    half = Local(_halves, score=0.5, name="half")
    shout = Local(lambda text: [(0, 1)] if "B" in text else [])
    return plan(*rules, waivers=waivers, extra=[kind(half), kind(shout)])


@LAW
@given(
    policies(),
    st.sampled_from(AUDIENCES),
    st.lists(st.text("abB! ", max_size=8), max_size=4),
    DRAWS,
)
def test_input_is_decided_as_its_trace_says(
    compiled: PolicyPlan, audience: str, texts: Sequence[str], draw: float
) -> None:
    """A request was decided by something that its record does not hold."""
    segments = [
        Segment(f"m[{n}]", text, Stage.INPUT if n % 2 else Stage.TOOL_CALL, is_earlier=n < 2)
        for n, text in enumerate(texts)
    ]
    minter = Minter(KEY, SCOPE)
    seen = run(inspect_segments(compiled, audience, segments, minter=minter, now=NOW, draw=draw))
    again = decide(compiled, audience, seen.trace, NOW)
    assert again == seen.decisions
    assert outcome_of(again) == seen.outcome
    stopping = {Outcome.BLOCK, Outcome.ESCALATE, Outcome.UNCHECKED}
    assert (seen.stop is not None) == (seen.outcome in stopping)
    assert all(not_looked_for(compiled.at(t.stage, audience, NOW), t) == () for t in seen.trace)


@LAW
@given(
    policies(),
    st.sampled_from(AUDIENCES),
    st.text("abB! ", max_size=12),
    st.sets(st.integers(1, 12)),
    DRAWS,
)
def test_answers_are_decided_as_their_trace_says(
    compiled: PolicyPlan, audience: str, text: str, cuts: set[int], draw: float
) -> None:
    """An answer was stopped or passed by something that its record does not hold."""
    guarding = guard(compiled, audience, draw=draw)
    events = [TextDelta(piece) for piece in pieces(text, cuts)]
    run(stream(guarding, [*events, ToolCallDelta(0, text, "call", "tool")]))
    again = decide(compiled, audience, guarding.trace, NOW)
    assert again == guarding.decisions
    assert outcome_of(again) == guarding.outcome
    if guarding.stops:
        assert any(
            each.rule == guarding.stops[0].rule and not each.is_observed
            for made in again
            for each in made.applied
        )
    else:
        assert guarding.outcome not in {Outcome.BLOCK, Outcome.ESCALATE, Outcome.UNCHECKED}
    assert all(not_looked_for(compiled.at(t.stage, audience, NOW), t) == () for t in guarding.trace)


def test_another_policy_can_be_asked_about_the_same_trace() -> None:
    """A record does not tell what a change would have done, or tells without having looked."""
    old = plan(rule("r", words("ab"), Action.FLAG, Stage.INPUT))
    segments = [Segment("text", "x ab", Stage.INPUT)]
    seen = run(inspect_segments(old, "public", segments, minter=Minter(KEY, SCOPE), now=NOW))
    stricter = plan(rule("r", words("ab"), Action.BLOCK, Stage.INPUT))
    (made,) = decide(stricter, "public", seen.trace, NOW)
    assert made.applied == (Applied("r", Action.BLOCK, (0,)),)
    other = plan(rule("r", words("ab", "cd"), Action.BLOCK, Stage.INPUT))
    (missing,) = not_looked_for(other.at(Stage.INPUT, "public", NOW), seen.trace[0])
    assert missing.detector == "words"
    assert decide(other, "public", seen.trace, NOW)[0].applied == ()
