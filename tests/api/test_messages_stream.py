"""However an answer comes, the vendor's own collector makes the same message of it."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from anthropic.lib.streaming._messages import accumulate_event
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.anthropic_messages_answer import MessageStream, MessageWhole
from app.api.anthropic_messages_answer_fields import ANSWER, EVENT
from app.api.shapes import admit
from app.domain.decision import Outcome
from app.domain.events import (
    Annotation,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from app.pipeline.answer import ExchangeEvent, Stopped
from tests.api.scripted import closed, opened

Json = Any
_PART = st.text('ab{}",:\\\n é', max_size=5)
_SCALAR = st.one_of(st.text(max_size=4), st.integers(-99, 2**53), st.booleans(), st.none())
_ARGUMENTS = st.dictionaries(
    st.text(max_size=3), st.one_of(_SCALAR, st.lists(_SCALAR, max_size=2)), max_size=3
).map(lambda made: orjson.dumps(made).decode())
_REASONING = st.one_of(
    st.builds(ReasoningDelta, _PART),
    st.builds(ReasoningDelta, _PART, signed=st.just("c2ln")),
    st.just(ReasoningDelta("", signed="ZGF0YQ==", is_redacted=True)),
)
_SAID = st.one_of(
    st.builds(TextDelta, _PART),
    st.builds(RefusalDelta, _PART),
    st.builds(Annotation, st.just("https://a"), _PART, st.just(0), st.just(1)),
    _REASONING,
)


def _cut(data: st.DataObject, text: str) -> list[str]:
    """The text in pieces, some of them empty."""
    at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]


def _woven(data: st.DataObject, channels: Sequence[Sequence[StreamEvent]]) -> list[StreamEvent]:
    """The events of all channels: the first of each in their order, the rest in any."""
    made = []
    begun, rest = 0, [list(channel) for channel in channels if channel]
    while any(rest):
        ready = [at for at in range(min(begun + 1, len(rest))) if rest[at]]
        at = data.draw(st.sampled_from(ready))
        made.append(rest[at].pop(0))
        begun = max(begun, at + 1)
    return made


def _call(data: st.DataObject, index: int, arguments: str) -> list[StreamEvent]:
    first, *rest = _cut(data, arguments)
    begun = ToolCallDelta(index, first, call_id=f"call_{index}", name="look")
    return [begun, *(ToolCallDelta(index, piece) for piece in rest)]


def _script(events: Iterable[ExchangeEvent], reason: FinishReason) -> list[ExchangeEvent]:
    return [opened(), *events, Usage(9, 3, 2, 1), Finish(reason), closed()]


def _collected(script: Sequence[ExchangeEvent]) -> Json:
    """The message that the SDK makes of the stream, whose events follow the vendor's order."""
    stream = MessageStream(0)
    sent = b"".join(stream.add(event) for event in script)
    snapshot, buffers = None, dict[int, bytes]()
    current: int | None = None
    *told, end, rest = sent.decode().split("\n\n")
    for lines in told:
        name, _, data = lines.partition("\ndata: ")
        event = orjson.loads(data)
        admit(EVENT, event)
        assert name == f"event: {event['type']}"
        match event["type"]:
            case "content_block_start":
                assert current is None
                current = event["index"]
                assert snapshot is not None
                assert current == len(snapshot.content)
            case "content_block_delta":
                assert event["index"] == current
            case "content_block_stop":
                assert event["index"] == current
                current = None
            case "message_delta":
                assert current is None
            case _:
                pass
        if event["type"] != "ping":
            snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)
    assert (end, rest) == ('event: message_stop\ndata: {"type":"message_stop"}', "")
    assert snapshot is not None
    return _plain(snapshot.model_dump(mode="json", warnings=False))


def _whole(script: Sequence[ExchangeEvent]) -> Json:
    whole = MessageWhole(0)
    made = orjson.loads(b"".join(whole.add(event) for event in script))
    admit(ANSWER, made)
    del made["banneton"]
    return _plain(made)


def _plain(value: Json) -> Json:
    """Without what is null: the SDK writes every field that there could be."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items() if one is not None}
    return [_plain(one) for one in value] if isinstance(value, list) else value


@given(data=st.data(), said=st.lists(_SAID, max_size=8), reason=st.sampled_from(FinishReason))
@settings(deadline=None, max_examples=200)
def test_a_stream_and_a_whole_message_say_the_same(
    data: st.DataObject, said: list[StreamEvent], reason: FinishReason
) -> None:
    """A client that streams gets another message than one that does not."""
    calls = [
        _call(data, index, arguments)
        for index, arguments in enumerate(data.draw(st.lists(_ARGUMENTS, max_size=2)))
    ]
    events = _woven(data, [said, *calls])
    script = _script(events, reason)
    assert _collected(script) == _whole(script)


@given(
    data=st.data(),
    text=_PART,
    thought=_PART,
    arguments=st.lists(_ARGUMENTS, max_size=2),
    extra=st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_a_message_does_not_depend_on_cutting(
    data: st.DataObject, text: str, thought: str, arguments: list[str], *, extra: bool
) -> None:
    """The same answer in other pieces, with other ends of texts held, is another message."""
    thinking: list[StreamEvent] = [ReasoningDelta(thought, signed="c2ln")]
    calls = [ToolCallDelta(at, one, f"c{at}", "look") for at, one in enumerate(arguments)]
    plain = [*thinking, TextDelta(text), *calls]
    cut_thinking = [
        *(ReasoningDelta(piece) for piece in _cut(data, thought)),
        ReasoningDelta("", signed="c2ln"),
    ]
    channels: list[Sequence[StreamEvent]] = []
    if text:
        channels.append([TextDelta(piece) for piece in _cut(data, text) if piece])
    for at, one in enumerate(arguments):
        first, *rest = _cut(data, one)
        begun = ToolCallDelta(at, first, f"c{at}", "look")
        channels.append([begun, *(ToolCallDelta(at, piece) for piece in rest)])
    if extra:
        channels.append([ToolCallDelta(7, "", "c7", "look")])
        plain.append(ToolCallDelta(7, "", "c7", "look"))
    cut = [*cut_thinking, *_woven(data, channels)]
    reason = FinishReason.TOOL_CALLS if arguments or extra else FinishReason.STOP
    expected = _whole(_script(plain, reason))
    assert _whole(_script(cut, reason)) == expected
    assert _collected(_script(cut, reason)) == expected


@given(data=st.data(), said=st.lists(_SAID, max_size=5), arguments=_ARGUMENTS)
@settings(deadline=None, max_examples=150)
def test_a_stop_ends_the_message_well(
    data: st.DataObject, said: list[StreamEvent], arguments: str
) -> None:
    """A block in mid-stream makes a message that cannot be read, or one with more than has left."""
    events: list[ExchangeEvent] = [*_woven(data, [said, _call(data, 0, arguments)])]
    at = data.draw(st.integers(0, len(events)))
    stop = Stopped(Outcome.BLOCK, "I'd rather not.", is_error=False)
    ends: list[ExchangeEvent] = [Finish(FinishReason.CONTENT_FILTER), closed(Outcome.BLOCK)]
    made = _collected([opened(), *events[:at], stop, *ends])
    assert made["content"][-1] == {"type": "text", "text": "I'd rather not."}
    assert made["stop_reason"] == "refusal"
    stream = MessageStream(0)
    before = b"".join(stream.add(event) for event in [opened(), *events[:at]])
    assert len(made["content"]) == before.count(b'"content_block_start"') + 1
    assert _whole([opened(), *events[:at], stop, *ends])["content"] == made["content"][-1:]
