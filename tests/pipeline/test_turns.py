"""Turns that others go on from: what is kept of them is all of them, and no text twice."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.conversation import (
    STANDING,
    CacheFor,
    Conversation,
    FilePart,
    ImagePart,
    Inline,
    Linked,
    Message,
    Origin,
    Part,
    ReasoningPart,
    RefusalPart,
    Role,
    TextPart,
    ToolCallPart,
)
from app.domain.events import (
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)
from app.domain.turns import read_turns, turns_json
from app.pipeline.segments import segments, with_texts
from app.pipeline.turns import Answer, to_keep
from tests.pipeline.test_segments import conversations

PROMPT = Message(Role.SYSTEM, Origin.PERSONA, (TextPart("text-prompt"),))
WISH = Message(Role.SYSTEM, Origin.CLIENT, (TextPart("text-wish", STANDING),), path=STANDING)


def strings(value: object) -> Iterator[str]:
    """Every string in some dataclasses."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for one in fields(value):
            yield from strings(getattr(value, one.name))
    elif isinstance(value, tuple):
        for one in value:
            yield from strings(one)


def written(turns: tuple[Message, ...]) -> tuple[Message, ...]:
    """Turns as they come back from the ledger."""
    return read_turns(orjson.loads(orjson.dumps(turns_json(turns))))


@given(said=conversations())
@settings(deadline=None, max_examples=300)
def test_turns_come_back_with_the_texts_that_were_kept_beside_them(said: Conversation) -> None:
    """A turn, a role, a call's id or a text is lost between a request and the next one."""
    asked = replace(said, messages=(PROMPT, WISH, *said.messages))
    texts = {one.path: one.text for one in segments(asked)}
    kept = to_keep(asked)
    assert not [text for text in strings(kept) if text.startswith("text-")]
    back = with_texts(Conversation("", written(kept)), texts)
    assert back.messages == said.messages


MEDIA: tuple[Part, ...] = (
    ImagePart(Linked("https://a/b.png"), "input[0].url", "low", CacheFor.ONE_HOUR),
    ImagePart(Inline("image/png", "AA==")),
    FilePart(Inline("application/pdf", "AA=="), name="a.pdf", name_path="input[0].name"),
    FilePart(Linked("https://a/b.pdf"), "input[0].file"),
    ToolCallPart("c", "f", "{}", "input[1]", "input", "c2ln", CacheFor.FIVE_MINUTES),
)


@pytest.mark.parametrize("part", MEDIA)
def test_every_kind_of_part_can_be_written(part: Part) -> None:
    """A part of one kind comes back as another, or not at all."""
    turn = Message(Role.USER, Origin.CLIENT, (part, TextPart("a", "input[2]")), "ann", "input")
    assert written((turn,)) == (turn,)


def kept_of(*events: StreamEvent, finish: FinishReason = FinishReason.STOP) -> tuple[Part, ...]:
    """The parts that are kept of an answer."""
    answer = Answer()
    for event in events:
        answer.add(event)
    (turn,) = answer.to_keep(finish, None)
    assert (turn.role, turn.origin) == (Role.ASSISTANT, Origin.CLIENT)
    return turn.parts


CALL = ToolCallDelta(0, call_id="c", name="look")


def test_an_answer_is_kept_in_its_parts() -> None:
    """A later request has another answer before it than the one that was given."""
    assert kept_of(
        ReasoningDelta("Hm, "),
        ReasoningDelta("yes.", signed="c2ln"),
        ReasoningDelta("", signed="YWxs", is_redacted=True),
        TextDelta("private"),
        CALL,
        ToolCallDelta(0, "private", signed="Y2FsbA"),
        RefusalDelta("private"),
        TextDelta("private"),
    ) == (
        ReasoningPart("Hm, yes.", "choices[0].signed[0]", "c2ln"),
        ReasoningPart("", "choices[0].signed[1]", "YWxs", is_redacted=True),
        TextPart("", "choices[0].text"),
        ToolCallPart("c", "", "", "choices[0].tool_calls[0]", signed="Y2FsbA"),
        RefusalPart("", "choices[0].refusal"),
    )


def test_reasoning_that_nobody_signed_is_not_kept() -> None:
    """Reasoning that was restored for the user is kept with the values, or joined to another's."""
    parts = kept_of(ReasoningDelta("private"), TextDelta("a"), ReasoningDelta("Hm.", signed="c2ln"))
    assert parts == (
        TextPart("", "choices[0].text"),
        ReasoningPart("Hm.", "choices[0].signed[1]", "c2ln"),
    )


def test_calls_that_a_filter_cut_off_are_not_kept() -> None:
    """A later request has a call before it that no tool was ever run for."""
    cut = kept_of(TextDelta("a"), CALL, finish=FinishReason.CONTENT_FILTER)
    assert cut == (TextPart("", "choices[0].text"),)
    assert len(kept_of(TextDelta("a"), CALL, finish=FinishReason.TOOL_CALLS)) == 2


@given(text=st.text(max_size=9))
def test_a_reply_is_kept_as_it_is(text: str) -> None:
    """A later request does not know what the persona said in place of the answer."""
    (turn,) = Answer().to_keep(FinishReason.CONTENT_FILTER, text)
    assert turn.parts == (TextPart(text, "choices[0].reply"),)
