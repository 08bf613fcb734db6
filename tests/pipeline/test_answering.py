"""Behaviours that act: one oracle for every cutting, every answer and every choice of actions."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.conversation import Conversation, Message, Origin, Role, Sampling, TextPart
from app.domain.decision import Decision, Outcome, Trace
from app.domain.events import Finish, FinishReason, StreamEvent, TextDelta, ToolCallDelta
from app.domain.persona import Behaviour, Identity, Persona, Verify
from app.domain.policy import Action
from app.guardrails.behaviours import plan_behaviours
from app.guardrails.context import NO_CONTEXT
from app.guardrails.kinds import KINDS
from app.guardrails.plan import Builds
from app.guardrails.release import OutputGuard
from app.pipeline.answering import Answering, Halted
from app.pipeline.conduct import Measuring
from tests.guardrails.building import OUTSIDE, guard, pieces, plan, rule, run, text_of, words
from tests.pipeline.holdings import holding

POLICY = plan(
    rule("mask", words("m"), Action.MASK),
    rule("block", words("x"), Action.BLOCK),
)
BUILDS = Builds(KINDS)


def words_of(word: str, expect: str) -> Verify:
    """Whether a letter is there."""
    settings_ = {"words": [word], "whole_words": False}
    return Verify.model_validate({"detector": "words", "settings": settings_, "expect": expect})


def behaviour(
    name: str, verify: Verify, on_fail: str, then: str = "flag", **more: object
) -> Behaviour:
    """A behaviour that appends its own name where it steers."""
    made = {"id": name, "instruct": f"Keep to {name}.", "on_fail": on_fail, "then": then}
    return Behaviour.model_validate({**made, "append": f" ({name})", **more}).model_copy(
        update={"verify": verify}
    )


def persona(behaviours: Sequence[Behaviour]) -> Persona:
    """A persona with these behaviours."""
    return Persona(
        id="p",
        name="P",
        prompt="p",
        policy="p",
        route="r",
        identity=Identity(role="r"),
        behaviours=tuple(behaviours),
    )


@dataclass
class Model:
    """Answers one text after another, each cut into pieces."""

    texts: Sequence[str]
    cuts: Sequence[int] = ()
    asked: list[Conversation] = field(default_factory=list)
    has_ended: bool = False

    async def answer(self, asked: Conversation) -> AsyncGenerator[StreamEvent, None]:
        """The next of the texts; the last one over and over."""
        self.has_ended = False
        text = self.texts[min(len(self.asked), len(self.texts) - 1)]
        self.asked.append(asked)
        for piece in pieces(text, self.cuts):
            yield TextDelta(piece)
        self.has_ended = True
        yield Finish(FinishReason.STOP)


ASKED = Conversation("p", (Message(Role.SYSTEM, Origin.PERSONA, (TextPart("You are P."),)),))


@dataclass
class Answered:
    """What left, and why no more did."""

    text: str
    stop: Outcome | None
    has_finish: bool
    calls: int
    early: str
    """What left before the model had ended its last attempt."""
    answering: Answering
    measuring: Measuring
    trace: Trace
    decisions: tuple[Decision, ...]


async def drive(model: Model, behaviours: Sequence[Behaviour], draw: float = 0.0) -> Answered:
    """Answer once."""
    measuring = Measuring(plan_behaviours(persona(behaviours), BUILDS), None, draw)
    answering = Answering(lambda: guard(POLICY), model.answer, measuring, holding())
    out: list[StreamEvent] = []
    early: list[StreamEvent] = []
    stop: Outcome | None = None
    async for event in answering.run(ASKED, NO_CONTEXT, OUTSIDE):
        if isinstance(event, Halted):
            stop = event.outcome
            continue
        out.append(event)
        if not model.has_ended:
            early.append(event)
    trace, decisions = await answering.conclude()
    return Answered(
        text_of(out),
        stop,
        any(isinstance(event, Finish) for event in out),
        len(model.asked),
        text_of(early),
        answering,
        measuring,
        trace,
        decisions,
    )


def expected(
    texts: Sequence[str], behaviours: Sequence[Behaviour]
) -> tuple[str, Outcome | None, int]:
    """What must leave, said without streams: the text, why it stops, how often it is asked."""
    calls = 0
    holds = any(each.on_fail in {"retry", "block"} for each in behaviours)
    while True:
        text = texts[min(calls, len(texts) - 1)]
        calls += 1
        if "x" in text:
            before = text[: text.index("x")].replace("m", "[removed]")
            return "" if holds else before, Outcome.BLOCK, calls
        shown = text.replace("m", "[removed]")
        failed = [each for each in behaviours if shown and not keeps(shown, each)]
        acts = {each.id: act(each, calls) for each in failed}
        if "block" in acts.values():
            return "", Outcome.BLOCK, calls
        if "retry" in acts.values():
            continue
        added = [each.append for each in failed if acts[each.id] == "steer"]
        return shown + "".join(added), None, calls


def keeps(text: str, behaviour_: Behaviour) -> bool:
    """Whether a text keeps to a behaviour."""
    assert behaviour_.verify is not None
    listed = behaviour_.verify.settings["words"]
    assert isinstance(listed, list)
    return (listed[0] in text) == (behaviour_.verify.expect == "present")


def act(behaviour_: Behaviour, attempt: int) -> str:
    """What is done where the attempt fails."""
    if behaviour_.on_fail != "retry":
        return behaviour_.on_fail
    return "retry" if attempt <= behaviour_.retries else behaviour_.then


ACTS = st.sampled_from(["flag", "steer", "retry", "block"])
LASTS = st.sampled_from(["flag", "steer", "block"])
BEHAVIOURS = st.tuples(ACTS, LASTS, st.integers(1, 3), ACTS, LASTS).map(
    lambda drawn: [
        behaviour("has-a", words_of("a", "present"), drawn[0], drawn[1], retries=drawn[2]),
        behaviour("no-b", words_of("b", "absent"), drawn[3], drawn[4]),
    ]
)


@given(
    st.lists(st.text("abmx ", max_size=8), min_size=1, max_size=4),
    BEHAVIOURS,
    st.lists(st.integers(0, 8), max_size=4),
)
@example(["b", "a"], [behaviour("no-b", words_of("b", "absent"), "retry", "block")], [])
@settings(deadline=None, max_examples=150)
def test_what_leaves_does_not_depend_on_how_it_comes(
    texts: list[str], behaviours: list[Behaviour], cuts: list[int]
) -> None:
    """A client that streams would get another answer, or a part of one that was made again."""
    for each in ((), cuts, range(9)):
        made = run(drive(Model(texts, list(each)), behaviours))
        text, stop, calls = expected(texts, behaviours)
        assert (made.text, made.stop, made.calls) == (text, stop, calls)
        assert made.has_finish == (stop is None)
        holds = any(b.on_fail in {"retry", "block"} for b in behaviours)
        assert not (holds and made.early), "something left before it was measured"
        assert "".join(text for _, text in made.answering.content) == made.text


def test_behaviours_that_only_flag_or_steer_hold_nothing() -> None:
    """An answer would wait for its end because somebody wants to count something."""
    flagged = [behaviour("has-a", words_of("a", "present"), "steer")]
    made = run(drive(Model(["one two"], [3]), flagged))
    assert made.early == "one two"
    assert made.text == "one two (has-a)"


def test_an_answer_that_is_not_drawn_is_neither_held_nor_measured() -> None:
    """A share of ten percent would cost what all answers cost."""
    some = [
        behaviour("no-b", words_of("b", "absent"), "block", percent=10),
        behaviour("has-a", words_of("a", "present"), "flag", percent=50),
    ]
    made = run(drive(Model(["b b"], [1]), some, draw=30.0))
    assert made.early == "b b"
    told = {each.behaviour: (each.conduct, each.action) for each in made.measuring.results("")}
    assert told == {"no-b": ("not_drawn", "allow"), "has-a": ("failed", "flag")}


def test_the_model_is_told_what_to_keep_to() -> None:
    """A second attempt would be as blind as the first, or the note grow with every attempt."""
    kept = [behaviour("no-b", words_of("b", "absent"), "retry", retries=2)]
    model = Model(["b", "b", "c"])
    made = run(drive(model, kept))
    assert made.text == "c"
    first, second, third = model.asked
    assert first == ASKED
    assert second == third
    (told,) = second.messages
    assert told.parts[0] != ASKED.messages[0].parts[0]
    assert isinstance(told.parts[0], TextPart)
    assert told.parts[0].text.startswith("You are P.\n\nYour last answer was not shown")
    assert "\n- Keep to no-b.\n" in told.parts[0].text
    attempts = [(each.attempt, each.conduct, each.action) for each in made.measuring.results("")]
    assert attempts == [(1, "failed", "retry"), (2, "failed", "retry"), (3, "held", "allow")]
    assert made.measuring.outcome is Outcome.RETRY


def test_what_was_said_of_an_attempt_that_did_not_leave_is_kept() -> None:
    """A record would say nothing of what the model wrote first."""
    made = run(drive(Model(["bm", "m"]), [behaviour("no-b", words_of("b", "absent"), "retry")]))
    trace, decisions = made.trace, made.decisions
    paths = [finding.path for stage in trace for finding in stage.findings]
    assert paths == ["attempts[0].choices[0].text", "choices[0].text"]
    assert [each.stage for each in decisions] == [each.stage for each in trace]
    assert [len(each.applied) for each in decisions] == [1, 1]
    assert made.answering.content == (("choices[0].text", "[removed]"),)


async def test_an_answer_without_text_is_not_measured() -> None:
    """A turn that only calls a tool would be blocked for lacking words."""
    kept = [behaviour("has-a", words_of("a", "present"), "block")]
    measuring = Measuring(plan_behaviours(persona(kept), BUILDS), None, 0)

    async def call(_asked: Conversation) -> AsyncGenerator[StreamEvent, None]:
        yield ToolCallDelta(0, call_id="c", name="pay", arguments="{}")
        yield Finish(FinishReason.TOOL_CALLS)

    def new_guard() -> OutputGuard:
        return guard(POLICY)

    answering = Answering(new_guard, call, measuring, holding())
    out = [event async for event in answering.run(ASKED, NO_CONTEXT, OUTSIDE)]
    assert [type(event) for event in out] == [ToolCallDelta, ToolCallDelta, Finish]
    (told,) = measuring.results("")
    assert (told.conduct, told.action, told.reason) == (
        "not_scored",
        "allow",
        "the answer has no text",
    )


async def test_all_choices_have_to_keep_to_it() -> None:
    """The second of two answers would leave unmeasured."""
    kept = [behaviour("no-b", words_of("b", "absent"), "block")]
    measuring = Measuring(plan_behaviours(persona(kept), BUILDS), None, 0)

    async def two(_asked: Conversation) -> AsyncGenerator[StreamEvent, None]:
        yield TextDelta("fine", 0)
        yield Finish(FinishReason.STOP, 0)
        yield TextDelta("bad", 1)
        yield Finish(FinishReason.STOP, 1)

    answering = Answering(lambda: guard(POLICY), two, measuring, holding())
    asked = replace(ASKED, sampling=Sampling(choices=2))
    out = [event async for event in answering.run(asked, NO_CONTEXT, OUTSIDE)]
    assert out == [Halted(0, Outcome.BLOCK), Halted(1, Outcome.BLOCK)]


TWO = replace(ASKED, sampling=Sampling(choices=2))


@dataclass
class Twice:
    """Answers with two texts at a time, one attempt after the other."""

    attempts: Sequence[tuple[str, str]]
    asked: int = 0

    async def answer(self, _asked: Conversation) -> AsyncGenerator[StreamEvent, None]:
        """The two texts, in turns."""
        texts = self.attempts[self.asked]
        self.asked += 1
        for at in range(max(map(len, texts))):
            for number, text in enumerate(texts):
                if at < len(text):
                    yield TextDelta(text[at], number)
        for number in (1, 0):
            yield Finish(FinishReason.STOP, number)


async def both(
    model: Twice, behaviours: Sequence[Behaviour]
) -> tuple[list[StreamEvent | Halted], Answering]:
    """What leaves of two choices."""
    measuring = Measuring(plan_behaviours(persona(behaviours), BUILDS), None, 0)
    answering = Answering(lambda: guard(POLICY), model.answer, measuring, holding())
    out = [event async for event in answering.run(TWO, NO_CONTEXT, OUTSIDE)]
    await answering.conclude()
    return out, answering


@pytest.mark.parametrize("on_fail", ["flag", "block"])
async def test_a_choice_that_policy_stopped_is_not_measured(on_fail: str) -> None:
    """A behaviour stops a good answer because of one that nobody gets, or shows a part of that."""
    kept = [behaviour("no-b", words_of("b", "absent"), on_fail)]
    out, answering = await both(Twice([("b x", "fine")]), kept)
    said = dict.fromkeys(range(2), "")
    for event in out:
        if isinstance(event, TextDelta):
            said[event.choice] += event.text
    held = on_fail == "block"
    assert said == {0: "" if held else "b ", 1: "fine"}
    assert Halted(0, Outcome.BLOCK) in out
    assert [each for each in out if isinstance(each, Finish)] == [Finish(FinishReason.STOP, 1)]
    assert dict(answering.content) == {
        f"choices[{number}].text": text for number, text in said.items() if text
    }


async def test_an_answer_that_is_made_again_has_all_its_choices_again() -> None:
    """A client gets one choice of the first attempt beside one of the second."""
    kept = [behaviour("no-b", words_of("b", "absent"), "retry")]
    model = Twice([("x", "b"), ("one", "two")])
    out, answering = await both(model, kept)
    assert model.asked == 2
    assert text_of(e for e in out if isinstance(e, TextDelta) and e.choice == 0) == "one"
    assert text_of(e for e in out if isinstance(e, TextDelta) and e.choice == 1) == "two"
    assert not any(isinstance(event, Halted) for event in out)
    assert answering.finish is FinishReason.STOP


async def test_of_several_ends_the_least_wanted_is_told() -> None:
    """A record says that all went well where one answer was cut off."""

    async def two(_asked: Conversation) -> AsyncGenerator[StreamEvent, None]:
        yield Finish(FinishReason.LENGTH, 0)
        yield Finish(FinishReason.STOP, 1)

    answering = Answering(lambda: guard(POLICY), two, Measuring((), None, 0), holding())
    _ = [event async for event in answering.run(TWO, NO_CONTEXT, OUTSIDE)]
    assert answering.finish is FinishReason.LENGTH
