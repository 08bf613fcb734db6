"""The release gate beyond text: reasoning, tool calls, annotations, judges, and stops."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace

import pytest

from app.domain.decision import Outcome
from app.domain.errors import DetectorError, ImageProblem, ImageRefusedError
from app.domain.events import (
    Annotation,
    Finish,
    FinishReason,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from app.domain.finding import CLEAN, Detection, Finding, Found, Unchecked
from app.domain.policy import Action, MediaBounds, Stage
from app.guardrails.decide import Stop
from app.guardrails.detector import Scope
from app.guardrails.plan import PolicyPlan
from app.guardrails.pseudonyms import Minter
from app.guardrails.release import OutputGuard
from tests.guardrails.building import (
    KEY,
    NOW,
    OUTSIDE,
    SCOPE,
    Local,
    Remote,
    guard,
    kind,
    patterns,
    plan,
    rule,
    stream,
    text_of,
    words,
)

DONE = Finish(FinishReason.STOP)
MASKING = plan(rule("mask", words("bad"), Action.MASK, Stage.OUTPUT, Stage.TOOL_CALL))
BLOCKING = plan(rule("block", words("bad"), Action.BLOCK, Stage.OUTPUT, Stage.TOOL_CALL))
FLAGGING = plan(rule("flag", words("bad"), Action.FLAG, Stage.OUTPUT, Stage.TOOL_CALL))


def feed(guarding: OutputGuard, *events: StreamEvent) -> list[StreamEvent]:
    """What leaves for these events."""
    return [out for event in events for out in guarding.feed(event)]


def run(compiled: PolicyPlan, *events: StreamEvent) -> list[StreamEvent]:
    """What leaves for a whole answer of one choice, but for its end."""
    out = asyncio.run(stream(guard(compiled), events))
    return [event for event in out if not isinstance(event, Finish)]


async def test_usage_and_the_end_pass() -> None:
    """Token counts or the end of a choice are lost."""
    guarding = guard(MASKING)
    assert guarding.feed(Usage(1, 2)) == [Usage(1, 2)]
    assert guarding.feed(TextDelta("ba")) == []
    ending = Finish(FinishReason.LENGTH)
    assert await guarding.finish(ending) == [TextDelta("ba"), ending]
    assert await guarding.finish(ending) == []


async def test_what_comes_after_a_stop_is_dropped() -> None:
    """Text leaves after the answer has been stopped."""
    guarding = guard(BLOCKING)
    assert feed(guarding, TextDelta("so bad ")) == [TextDelta("so ")]
    assert guarding.stops == {0: Stop("block", Outcome.BLOCK, Stage.OUTPUT, "choices[0].text")}
    assert feed(guarding, TextDelta("more"), RefusalDelta("x"), Usage(1, 2)) == [Usage(1, 2)]
    assert await guarding.finish(DONE) == []
    assert guarding.content == (("choices[0].text", "so "),)


def test_a_stop_waits_until_nothing_could_move_it() -> None:
    """Text is released that a rewrite still takes in, because a stop was found further on."""
    compiled = plan(
        rule("block", words("bad"), Action.BLOCK),
        rule("mask", patterns("so bad[a-z]{0,9}"), Action.MASK),
    )
    guarding = guard(compiled)
    assert feed(guarding, TextDelta("is so bad")) == [TextDelta("is ")]
    assert not guarding.stops
    assert feed(guarding, RefusalDelta("hello ")) == [RefusalDelta("hello ")]
    assert feed(guarding, TextDelta("ly done"), RefusalDelta("more ")) == []
    assert guarding.stops


BOUNDS = MediaBounds(frozenset({"image/png", "image/gif"}), 3, 2, "minor")


@pytest.mark.parametrize(
    ("bounds", "images", "problem"),
    [
        (None, [("image/png", "AAAA")], ImageProblem.NOT_ALLOWED),
        (BOUNDS, [("image/png", "AAAA"), ("image/webp", "AAAA")], ImageProblem.TYPE),
        (BOUNDS, [("image/png", "AAAA"), ("image/png", "AAAAAA==")], ImageProblem.TOO_LARGE),
        (BOUNDS, [("image/gif", "AAA=")] * 3, ImageProblem.TOO_MANY),
    ],
)
def test_images_that_policy_does_not_let_out_are_refused(
    bounds: MediaBounds | None, images: list[tuple[str, str]], problem: ImageProblem
) -> None:
    """An image reaches the user that policy does not let out, or one that it does is refused."""
    guarding = OutputGuard(
        MASKING, "public", minter=Minter(KEY, SCOPE), now=NOW, outside=OUTSIDE, images=bounds
    )
    *before, last = [ImageDelta(*each, choice=at) for at, each in enumerate(images)]
    for image in before:
        assert guarding.feed(image) == [image]
    with pytest.raises(ImageRefusedError) as refused:
        guarding.feed(last)
    assert refused.value.problem is problem


def test_a_record_says_which_images_left() -> None:
    """Nobody can tell afterwards whether a picture that turns up was the model's."""
    bounds = replace(BOUNDS, max_bytes=99)
    guarding = OutputGuard(
        MASKING, "public", minter=Minter(KEY, SCOPE), now=NOW, outside=OUTSIDE, images=bounds
    )
    guarding.feed(ImageDelta("image/png", "AAAA"))
    digest = hashlib.sha256(bytes(3)).hexdigest()
    said = f"image/png, 3 bytes, sha256:{digest}"
    assert dict(guarding.content)["choices[0].images[0]"] == said


async def test_events_after_the_end_of_a_choice_are_an_error() -> None:
    """A provider's mistake lets text past the rules that judge the whole answer."""
    guarding = guard(MASKING)
    await guarding.finish(DONE)
    with pytest.raises(DetectorError):
        guarding.feed(TextDelta("late"))
    with pytest.raises(TypeError):
        guarding.feed(DONE)


@pytest.mark.parametrize(
    ("compiled", "events", "expected"),
    [
        pytest.param(
            MASKING,
            [ReasoningDelta("I th"), ReasoningDelta("ink"), ReasoningDelta("", signed="s")],
            [ReasoningDelta("I think", signed="s")],
            id="signed and clean: passed as it was",
        ),
        pytest.param(
            MASKING,
            [ReasoningDelta("a bad one"), ReasoningDelta("", signed="s"), TextDelta("hi ")],
            [TextDelta("hi ")],
            id="signed and changed: withheld whole, with its signature",
        ),
        pytest.param(
            BLOCKING,
            [ReasoningDelta("a bad one"), ReasoningDelta("", signed="s"), TextDelta("hi ")],
            [],
            id="signed and blocked: nothing",
        ),
        pytest.param(
            BLOCKING,
            [ReasoningDelta("a bad one"), TextDelta("hi ")],
            [ReasoningDelta("a ")],
            id="unsigned and blocked: up to there",
        ),
        pytest.param(
            MASKING,
            [ReasoningDelta("fine"), ReasoningDelta("", 0, "s", is_redacted=True)],
            [ReasoningDelta("fine"), ReasoningDelta("", 0, "s", is_redacted=True)],
            id="a block that shows nothing signs no other",
        ),
        pytest.param(
            BLOCKING,
            [ReasoningDelta("a bad one"), ReasoningDelta("", 0, "s", is_redacted=True)],
            [ReasoningDelta("a ")],
            id="a block that shows nothing, after one that is blocked",
        ),
        pytest.param(
            MASKING,
            [ReasoningDelta("a bad one"), TextDelta("hi ")],
            [ReasoningDelta("a [removed] one"), TextDelta("hi ")],
            id="unsigned: ends where the text begins",
        ),
        pytest.param(
            MASKING,
            [ReasoningDelta("fine"), TextDelta("hi "), ReasoningDelta("", signed="s")],
            [ReasoningDelta("fine"), TextDelta("hi "), ReasoningDelta("", signed="s")],
            id="a late signature of what was passed as it was",
        ),
        pytest.param(
            MASKING,
            [ReasoningDelta("bad"), TextDelta("hi "), ReasoningDelta("", signed="s")],
            [ReasoningDelta("[removed]"), TextDelta("hi ")],
            id="a late signature of what was changed is dropped",
        ),
        pytest.param(
            MASKING,
            [ReasoningDelta("b"), TextDelta("x "), ReasoningDelta("ad", signed="s")],
            [ReasoningDelta("b"), TextDelta("x "), ReasoningDelta("ad", signed="s")],
            id="each block is a text of its own",
        ),
        pytest.param(
            FLAGGING,
            [ReasoningDelta("a bad "), ReasoningDelta("one", signed="s"), TextDelta("hi")],
            [ReasoningDelta("a bad "), ReasoningDelta("one"), ReasoningDelta("", signed="s"),
             TextDelta("hi")],
            id="nothing can change it: it is not held",
        ),
    ],
)  # fmt: skip
def test_reasoning(
    compiled: PolicyPlan, events: Sequence[StreamEvent], expected: list[StreamEvent]
) -> None:
    """Signed reasoning is changed, so that the provider refuses the next turn; or it leaks."""
    assert run(compiled, *events) == expected


def test_pseudonyms_stay_in_signed_reasoning_and_are_restored_elsewhere() -> None:
    """A signature no longer fits, or a user reads pseudonyms."""
    minter = Minter(KEY, SCOPE)
    token = minter.mint("NAME", "Ada")
    events: list[StreamEvent] = [
        ReasoningDelta(f"of {token}"),
        ReasoningDelta("", signed="s"),
        ReasoningDelta(f"and {token}"),
        TextDelta(f"Hi {token}!"),
    ]
    out = asyncio.run(stream(guard(MASKING, minter=minter), events))
    assert out == [
        ReasoningDelta(f"of {token}", signed="s"),
        ReasoningDelta("and Ada"),
        TextDelta("Hi Ada!"),
        DONE,
    ]


@pytest.mark.parametrize(
    ("compiled", "events", "expected"),
    [
        pytest.param(
            MASKING,
            [ToolCallDelta(0, '{"a', "id", "go"), ToolCallDelta(0, '":"ba'),
             ToolCallDelta(0, 'd"}')],
            [ToolCallDelta(0, "", "id", "go"), ToolCallDelta(0, '{"a'), ToolCallDelta(0, '":"'),
             ToolCallDelta(0, '[removed]"}')],
            id="arguments are rewritten inside their strings",
        ),
        pytest.param(
            BLOCKING,
            [ToolCallDelta(0, '{"a":"b"}', "id", "bad_tool"), TextDelta("hi")],
            [],
            id="a blocked name: no call at all",
        ),
        pytest.param(
            BLOCKING,
            [ToolCallDelta(0, '{"a":"', "id", "go"), ToolCallDelta(0, 'x bad"}')],
            [ToolCallDelta(0, "", "id", "go"), ToolCallDelta(0, '{"a":"'), ToolCallDelta(0, "x ")],
            id="blocked arguments: up to there",
        ),
        pytest.param(
            MASKING,
            [ToolCallDelta(0, "", "i0", "go"), ToolCallDelta(1, "{", "i1", "do", signed="s"),
             ToolCallDelta(0, "{}"), ToolCallDelta(1, "}")],
            [ToolCallDelta(0, "", "i0", "go"), ToolCallDelta(1, "", "i1", "do", signed="s"),
             ToolCallDelta(1, "{"), ToolCallDelta(0, "{}"), ToolCallDelta(1, "}")],
            id="calls side by side",
        ),
    ],
)  # fmt: skip
def test_tool_calls(
    compiled: PolicyPlan, events: Sequence[StreamEvent], expected: list[StreamEvent]
) -> None:
    """A tool of the client is called with what a rule forbids."""
    assert run(compiled, *events) == expected


async def test_a_rule_that_judges_calls_whole_holds_them_whole() -> None:
    """A call begins that is then not allowed."""
    seen: list[str] = []

    def find(text: str) -> Sequence[tuple[int, int]]:
        seen.append(text)
        return []

    compiled = plan(
        rule("r", {"local": {}}, Action.BLOCK, Stage.TOOL_CALL), extra=[kind(Local(find))]
    )
    guarding = guard(compiled)
    assert feed(guarding, ToolCallDelta(0, '{"a":', "id", "go"), ToolCallDelta(0, "1}")) == []
    assert await guarding.finish(DONE) == [
        ToolCallDelta(0, "", "id", "go"),
        ToolCallDelta(0, '{"a":1}'),
        DONE,
    ]
    assert seen == ["go", '{"a":1}']


def test_annotations_are_looked_at_and_follow_their_text() -> None:
    """A link passes unseen, or points to other words after a rewrite."""
    minter = Minter(KEY, SCOPE)
    token = minter.mint("NAME", "Ada")
    text = f"bad {token} says so"
    at = text.index("says")
    annotation = Annotation("https://e.example/bad", "a bad title", at, at + 4)
    out = asyncio.run(stream(guard(MASKING, minter=minter), [TextDelta(text), annotation]))
    shown = text_of(out)
    assert shown == "[removed] Ada says so"
    (moved,) = [event for event in out if isinstance(event, Annotation)]
    assert shown[moved.start : moved.end] == "says"
    assert (moved.url, moved.title) == ("https://e.example/[removed]", "a [removed] title")
    assert run(BLOCKING, TextDelta("hi "), annotation) == [TextDelta("hi ")]


async def test_steers_come_once_at_the_end_of_the_text() -> None:
    """What a rule adds is lost, said twice, or said where there is no answer."""
    compiled = plan(
        rule("a", words("dose"), Action.STEER, append=" Ask a doctor."),
        rule("b", words("pill"), Action.STEER, append=" Really."),
    )
    guarding = guard(compiled, steers=(" From the input.",))
    feed(guarding, TextDelta("one dose, another dose"), RefusalDelta("no pill"))
    assert await guarding.finish(DONE) == [
        TextDelta(" From the input. Ask a doctor. Really."),
        DONE,
    ]
    silent = guard(compiled, steers=(" From the input.",))
    feed(silent, ToolCallDelta(0, "{}", "id", "dose"))
    assert text_of(await silent.finish(DONE)) == ""


def says(detection: Detection) -> Remote:
    """A judge with one opinion."""

    async def answer(_text: str) -> Detection:
        return detection

    return Remote(answer)


def _judged(remote: Remote, act: Action) -> PolicyPlan:
    return plan(
        rule("mail", patterns("[a-z]@[a-z]"), Action.MASK),
        rule("secret", words("key"), Action.BLOCK),
        rule("judge", {"remote": {}}, act, append="+", timeout_ms=50),
        extra=[kind(remote)],
    )


ALL_BAD = Found((Finding("remote", "c", 1.0, "", 0, 4, "1"),))


@pytest.mark.parametrize(
    ("detection", "act", "expected", "outcome"),
    [
        pytest.param(CLEAN, Action.BLOCK, "to [removed] ok", None, id="a judge that lets it pass"),
        pytest.param(ALL_BAD, Action.BLOCK, "", Outcome.BLOCK, id="a judge that stops all of it"),
        pytest.param(ALL_BAD, Action.STEER, "to [removed] ok+", None, id="a judge that adds"),
        pytest.param(
            Unchecked("out"), Action.BLOCK, "", Outcome.UNCHECKED, id="a judge that is out"
        ),
        pytest.param(
            Unchecked("out"), Action.FLAG, "to [removed] ok", Outcome.UNCHECKED,
            id="a judge that could only flag and is out: the text ends where it ends",
        ),
    ],
)  # fmt: skip
async def test_judges_of_answers(
    detection: Detection, act: Action, expected: str, outcome: Outcome | None
) -> None:
    """A judge's opinion comes too late, or an outage counts as clean."""
    remote = says(detection)
    guarding = guard(_judged(remote, act))
    early = feed(guarding, TextDelta("to a@b "), TextDelta("ok"))
    assert (early == []) == (act is Action.BLOCK)
    out = early + await guarding.finish(DONE)
    assert text_of(out) == expected
    assert (guarding.stops[0].outcome if guarding.stops else None) == outcome
    assert remote.asked == ["to [removed] ok"]
    assert {ref.detector for ref in guarding.trace[0].ran} == {
        "patterns", "words", "remote", "pseudonym",
    }  # fmt: skip


async def test_a_judge_sees_only_what_would_be_released() -> None:
    """A secret that a local rule stops is sent to a judge."""
    remote = says(CLEAN)
    guarding = guard(_judged(remote, Action.BLOCK))
    feed(guarding, TextDelta("a@b has the key 123"))
    out = await guarding.finish(DONE)
    assert remote.asked == ["[removed] has the "]
    assert text_of(out) == "[removed] has the "
    assert guarding.stops == {0: Stop("secret", Outcome.BLOCK, Stage.OUTPUT, "choices[0].text")}


async def test_an_answer_that_was_cut_off_is_looked_at_as_far_as_it_came() -> None:
    """A record of an answer that was stopped says nothing of what the user has read."""
    compiled = plan(
        rule("flag", words("odd"), Action.FLAG),
        rule("block", words("bad"), Action.BLOCK),
    )
    guarding = guard(compiled)
    feed(guarding, TextDelta("odd and bad "), TextDelta("odd"))
    assert [ref.detector for ref in guarding.trace[0].ran] == ["words"]
    await guarding.conclude()
    await guarding.conclude()
    assert [(f.start, f.end) for f in guarding.trace[0].findings] == [(0, 3), (8, 11)]
    assert guarding.outcome is Outcome.BLOCK
    assert len(guarding.trace[0].ran) == 3


async def test_choices_end_on_their_own() -> None:
    """One choice waits for another, or its text is mixed up with the other's."""
    guarding = guard(MASKING)
    feed(guarding, TextDelta("zero ba"), TextDelta("one b", 1))
    second = Finish(FinishReason.STOP, 1)
    assert await guarding.finish(second) == [TextDelta("b", 1), second]
    assert await guarding.finish(DONE) == [TextDelta("ba"), DONE]


async def test_a_waiver_that_has_ended_holds_again() -> None:
    """A waiver goes on in a running gateway, or its rule holds text while it is waived."""
    from datetime import timedelta  # noqa: PLC0415  # only here

    from app.domain.policy import Waiver  # noqa: PLC0415  # only here

    waiver = Waiver("block", "public", Action.FLAG, "why", "who", NOW.date())
    compiled = plan(rule("block", words("bad"), Action.BLOCK), waivers=[waiver])
    today, tomorrow = guard(compiled), guard(compiled, now=NOW + timedelta(days=1))
    assert feed(today, TextDelta("a ba"), TextDelta("d")) == [TextDelta("a ba"), TextDelta("d")]
    assert feed(tomorrow, TextDelta("a ba"), TextDelta("d")) == [TextDelta("a ")]
    assert (today.stops, len(tomorrow.stops)) == ({}, 1)


def test_a_long_hold_is_not_read_again_for_every_delta() -> None:
    """A text that stays open for long takes time that grows with its square."""
    compiled = plan(rule("r", patterns("<.*>", max_match=50_000), Action.MASK))
    guarding = guard(compiled)
    assert feed(guarding, TextDelta("x<")) == [TextDelta("x")]
    assert feed(guarding, *[TextDelta("word ")] * 3000) == []
    out = feed(guarding, *[TextDelta("\n ok")] * 1000)
    rest = asyncio.run(guarding.finish(DONE))
    assert text_of(out + rest) == "<" + "word " * 3000 + "\n ok" * 1000


async def test_a_block_that_shows_nothing_waits_where_everything_waits() -> None:
    """Something of an answer leaves before what may stop it has been asked."""
    hidden = ReasoningDelta("", 0, "s", is_redacted=True)
    for said, leaves in ((CLEAN, True), (ALL_BAD, False)):
        guarding = guard(_judged(says(said), Action.BLOCK))
        assert feed(guarding, hidden, TextDelta("to a@b ok")) == []
        assert (hidden in await guarding.finish(DONE)) is leaves


@pytest.mark.parametrize(
    ("thought", "leaves"), [("fine", True), ("a bad one", False)], ids=["intact", "changed"]
)
async def test_a_late_signature_waits_where_everything_waits(thought: str, *, leaves: bool) -> None:
    """A signature leaves before what it signs, or stands under what policy changed."""
    signed = ReasoningDelta("", signed="s")
    mask = rule("mask", words("bad"), Action.MASK)
    judge = rule("judge", {"remote": {}}, Action.BLOCK)
    for said, action in ((CLEAN, False), (ALL_BAD, True)):
        guarding = guard(plan(mask, judge, extra=[kind(says(said))]))
        assert feed(guarding, ReasoningDelta(thought), TextDelta("hi "), signed) == []
        out = await guarding.finish(DONE)
        assert (signed in out) is (leaves and not action)
        if signed in out:
            assert out == [ReasoningDelta(thought), TextDelta("hi "), signed, DONE]


async def test_signed_reasoning_with_a_pseudonym_keeps_it() -> None:
    """A provider would refuse the next turn: what it signed was changed on the way to the user."""
    minter = Minter(KEY, SCOPE)
    token = minter.mint("EMAIL_ADDRESS", "a@b.c")
    events: list[StreamEvent] = [
        ReasoningDelta(f"Write to {token}."),
        ReasoningDelta("", signed="s"),
        TextDelta(f"Written to {token}."),
    ]
    out = await stream(guard(FLAGGING, minter=minter), events)
    assert out[0] == ReasoningDelta(f"Write to {token}.", signed="s")
    assert text_of(out) == "Written to a@b.c."


async def test_a_judge_of_whole_texts_is_not_asked_about_known_pseudonyms() -> None:
    """A user would get [removed] for the address that they gave themselves."""
    minter = Minter(KEY, SCOPE)
    token = minter.mint("EMAIL_ADDRESS", "a@b.c")

    async def answer(text: str) -> Detection:
        at = text.index(token)
        return Found((Finding("remote", "c", 1.0, "", at, at + len(token), "1"),))

    compiled = plan(rule("r", {"remote": {}}, Action.MASK), extra=[kind(Remote(answer))])
    out = await stream(guard(compiled, minter=minter), [TextDelta(f"to {token} now")])
    assert text_of(out) == "to a@b.c now"


@pytest.mark.parametrize("action", [Action.MASK, Action.PSEUDONYMIZE])
def test_a_word_in_which_more_may_end_is_hidden_as_when_all_is_seen(action: Action) -> None:
    """An answer would end in an error, or differ from the one that came in one piece."""
    compiled = plan(rule("r", words("bad"), action), rule("s", patterns(r"ad\b"), Action.MASK))
    for text in ("a badge", "a bad one"):
        whole = text_of(run(compiled, TextDelta(text)))
        assert "bad" not in whole
        assert text_of(run(compiled, *map(TextDelta, text))) == whole


def test_no_mark_is_shown_where_a_rule_may_still_stop_the_text() -> None:
    """A mark would be sent of a text that should have ended before it."""
    hides = rule("hides", words("bad"), Action.MASK)
    stops = rule("stops", patterns(r"ad\b"), Action.BLOCK)
    assert run(plan(hides, stops), TextDelta("bad"), TextDelta(" ")) == []

    sentence = Local(
        lambda text: [(0, len(text))] if "now" in text else [], scope=Scope.SENTENCE, name="judge"
    )
    hides = rule("hides", words("bad. now"), Action.MASK)
    stops = rule("stops", {"judge": {}}, Action.BLOCK)
    compiled = plan(hides, stops, extra=[kind(sentence)])
    assert run(compiled, *map(TextDelta, ["bad. now", ". "])) == []


def test_a_call_without_arguments_may_lack_some() -> None:
    """A tool would be called without an argument that policy requires."""
    wants = {"tools": {"calls": {"pay": {"arguments": {"amount": {"required": True}}}}}}
    compiled = plan(rule("r", wants, Action.BLOCK, Stage.TOOL_CALL))
    guarding = guard(compiled)
    assert asyncio.run(stream(guarding, [ToolCallDelta(0, call_id="c", name="pay")])) == []
    path = "choices[0].tool_calls[0].arguments"
    assert guarding.stops == {0: Stop("r", Outcome.BLOCK, Stage.TOOL_CALL, path)}


def test_a_detector_that_fails_on_a_part_of_a_stream_leaves_it_unchecked() -> None:
    """An answer would leave that nobody looked at, as long as it was sent in pieces."""

    def find(text: str) -> list[tuple[int, int]]:
        if "bad" in text:
            raise ValueError
        return []

    fails = Local(find, scope=Scope.SPAN, shapes=("bad",), name="fails", left_context=1)
    compiled = plan(rule("r", {"fails": {}}, Action.MASK), extra=[kind(fails)])
    for pieces in (["so bad it is"], [*"so bad it is"]):
        guarding = guard(compiled)
        assert text_of(asyncio.run(stream(guarding, map(TextDelta, pieces)))) == "so "
        assert guarding.outcome is Outcome.UNCHECKED


def test_what_was_held_long_leaves_with_the_sign_that_frees_it() -> None:
    """A reader would wait for text that nothing can stop any more."""
    hidden = words("xx", "xx" + "a" * 14 + "b")
    guarding = guard(plan(rule("r", hidden, Action.MASK)))
    held = feed(guarding, *map(TextDelta, "xx" + "a" * 14))
    assert text_of(held + feed(guarding, TextDelta("c"))) == "[removed]" + "a" * 14 + "c"


def test_a_match_that_was_read_is_not_read_again_from_its_middle() -> None:
    """What is found would depend on how the answer is cut into pieces."""
    looks = Local(
        lambda text: [(3, 6)] if text.startswith("aaabbab") else [],
        scope=Scope.SPAN,
        shapes=("[ab]{3,4}",),
        left_context=1,
    )
    compiled = plan(
        rule("r", {"local": {}}, Action.MASK),
        rule("s", words("bbY"), Action.MASK),
        extra=[kind(looks)],
    )
    for pieces in (["aaabbab."], ["aaabb", "ab", "."]):
        assert text_of(run(compiled, *map(TextDelta, pieces))) == "aaabbab."
