"""Converse's events are read by one table, and what it does not name is refused."""

import base64
import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backends.bedrock_chunks import ConverseReader
from app.backends.eventstream import Frame, FrameCutter
from app.backends.pieces import PieceReader
from app.domain.errors import BackendError, BackendProblem
from app.domain.events import Finish, StreamEvent, TextDelta
from tests.backends.reading import joined, maybe, read_in_pieces
from tests.backends.tables import TESTS, rows, shown
from tests.servers.bedrock_server import (
    BEGIN,
    answer,
    call_block,
    exception,
    frame,
    stream_of,
    text_block,
    thinking_block,
    usage,
)

Json = Any
RECORDINGS = TESTS / "recordings" / "bedrock"


def reader() -> PieceReader[Frame]:
    """Reads a stream."""
    return PieceReader(FrameCutter(), ConverseReader())


def read_whole(body: bytes) -> list[StreamEvent]:
    """What a whole answer is read as."""
    made = ConverseReader()
    made.read_whole(body)
    return [*made.take(), *made.end()]


def expanded(row: dict[str, Json]) -> list[tuple[str, Json]]:
    """The events of a row as a provider would send them."""
    events: list[tuple[str, Json]] = []
    if not row.get("bare"):
        events.append(("messageStart", {"role": "assistant"}))
    index = 0
    for short in row["events"]:
        if short == "x":
            events.append(("contentBlockStop", {"contentBlockIndex": index}))
            index += 1
            continue
        at = short.get("i", index)
        if "s" in short:
            value = {"contentBlockIndex": at, "start": short["s"]}
            events.append(("contentBlockStart", value))
        elif "d" in short:
            value = {"contentBlockIndex": at, "delta": short["d"]}
            events.append(("contentBlockDelta", value))
        else:
            events += short.items()
    if not row.get("open"):
        events.append(("messageStop", {"stopReason": row.get("stop", "end_turn")}))
        events.append(("metadata", {"usage": usage(), "metrics": {"latencyMs": 1}}))
    return events


def read(events: list[tuple[str, Json]]) -> list[StreamEvent]:
    """What an answer is read as."""
    made = ConverseReader()
    for name, value in events:
        made.read(Frame("event", name, json.dumps(value).encode()))
    return [*made.take(), *made.end()]


@pytest.mark.parametrize("row", rows("bedrock"))
def test_table_of_events(row: dict[str, Json]) -> None:
    """A provider's answer would be lost, cut, or let through without having been looked at."""
    if "read" in row:
        counts = (
            [] if row.get("uncounted") else [{"Usage": {"input_tokens": 7, "output_tokens": 3}}]
        )
        assert [shown(each) for each in read(expanded(row))] == [*row["read"], *counts]
        return
    with pytest.raises(BackendError) as caught:
        read(expanded(row))
    assert caught.value.problem.value == row["refused"].get("problem", "broken")
    assert row["refused"]["says"] in caught.value.message
    assert "secret" not in caught.value.message.replace("secretly", "")


@pytest.mark.parametrize("row", rows("bedrock_recordings"))
@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 20])
def test_recordings(row: dict[str, Json], chunk_bytes: int) -> None:
    """What the provider documents would not be understood."""
    recording = (RECORDINGS / row["file"]).read_bytes()
    failure: BackendError | None = None
    if row["file"].endswith(".json"):
        events = read_whole(recording)
    else:
        cuts = range(0, len(recording), chunk_bytes)
        events, failure = read_in_pieces(reader(), recording, list(cuts))
    assert [shown(each) for each in joined(events)] == row["read"]
    assert (failure.problem.value if failure else None) == row.get("fails")


def test_every_recording_has_a_row() -> None:
    """A recording that no test reads proves nothing."""
    files = {path.name for path in RECORDINGS.iterdir()}
    assert files == {param.values[0]["file"] for param in rows("bedrock_recordings")}


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 200), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
near_citations = maybe(
    {
        "title": st.just("t"),
        "location": maybe({"web": maybe({"url": st.just("u")}, json_values)}, json_values),
    },
    json_values,
)
near_reasoning = maybe(
    {
        "text": st.text(max_size=3),
        "signature": st.text(max_size=3),
        "redactedContent": st.sampled_from(["QQ==", "!"]),
        "reasoningText": maybe(
            {"text": st.text(max_size=3), "signature": st.just("s")}, json_values
        ),
    },
    json_values,
)
near_images = maybe(
    {"format": st.just("png"), "source": maybe({"bytes": st.just("iVBORw0KGgo=")}, json_values)},
    json_values,
)
near_blocks = maybe(
    {
        "text": st.text(max_size=3),
        "toolUse": maybe(
            {"toolUseId": st.just("c"), "name": st.just("f"), "input": st.just({})}, json_values
        ),
        "reasoningContent": near_reasoning,
        "citation": near_citations,
        "citationsContent": maybe(
            {
                "content": st.lists(maybe({"text": st.just("t")}, json_values), max_size=2),
                "citations": st.lists(near_citations, max_size=2),
            },
            json_values,
        ),
        "image": near_images,
    },
    json_values,
)
BLOCK_EVENTS = ["contentBlockStart", "contentBlockDelta", "contentBlockDelta", "contentBlockStop"]
EVENTS = [*BLOCK_EVENTS, "messageStart", "messageStop", "metadata"]
near_events = st.tuples(
    st.sampled_from(EVENTS),
    st.one_of(
        maybe(
            {
                "contentBlockIndex": st.integers(0, 2),
                "start": near_blocks,
                "delta": near_blocks,
            },
            json_values,
        ),
        st.builds(lambda delta: {"contentBlockIndex": 0, "delta": delta}, near_blocks),
        st.just({"contentBlockIndex": 0}),
        st.just({"stopReason": "end_turn"}),
        maybe({"usage": maybe({"inputTokens": st.integers()}, json_values)}, json_values),
        json_values,
    ),
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(st.lists(near_events, max_size=8))
def test_any_json_gives_events_or_a_backend_error(events: list[tuple[str, Json]]) -> None:
    """A provider could stop a request with an exception that nobody handles."""
    try:
        given_events = read([("messageStart", {"role": "assistant"}), *events])
    except BackendError:
        return
    assert sum(isinstance(each, Finish) for each in given_events) == 1


@settings(deadline=None, max_examples=100)
@given(
    st.lists(near_blocks, max_size=3),
    maybe({"usage": json_values, "trace": json_values}, json_values),
)
def test_any_whole_answer_gives_events_or_a_backend_error(content: list[Json], more: Json) -> None:
    """The same, for an answer that comes as one JSON object."""
    try:
        events = read_whole(json.dumps(answer(content, **more)).encode())
    except BackendError:
        return
    assert sum(isinstance(each, Finish) for each in events) == 1


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=80), st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_any_bytes_give_a_backend_error(data: bytes, at: int, change: bytes) -> None:
    """The same, for bytes that are no event stream, and for a stream with some bytes changed."""
    stream = stream_of([text_block("Hi")])
    at %= len(stream)
    changed = stream[:at] + change + stream[at + len(change) :]
    for body in (data, BEGIN + data, frame("contentBlockDelta", data), changed):
        _, failure = read_in_pieces(reader(), body, [])
        if body != stream:
            assert failure is not None
            assert failure.problem is BackendProblem.BROKEN
    with pytest.raises(BackendError):
        read_whole(data)


def blocks(text: str) -> list[Json]:
    """An answer with everything in it that is streamed."""
    opaque = base64.b64encode(text.encode()).decode()
    return [
        thinking_block(text, "sig"),
        {"reasoningContent": {"redactedContent": opaque}},
        text_block(text),
        call_block("c", "f", {"a": text}),
        call_block("d", "g", {}),
    ]


@settings(deadline=None, max_examples=60)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    chunk_chars=st.integers(1, 5),
    positions=st.lists(st.integers(0, 5000), max_size=12),
)
def test_answer_does_not_depend_on_the_network(
    text: str, chunk_chars: int, positions: list[int]
) -> None:
    """Letters of several bytes would break where a packet ends, or an event be lost there."""
    stream = stream_of(blocks(text), stop="tool_use", chunk_chars=chunk_chars)
    events, failure = read_in_pieces(reader(), stream, [each % len(stream) for each in positions])
    assert failure is None
    body = orjson.dumps(answer(blocks(text), stop="tool_use"))
    assert joined(events) == joined(read_whole(body))
    assert len(joined(events)) == 7


def test_text_before_a_failure_is_given() -> None:
    """What a client gets of an answer that fails would depend on how packets fall."""
    begun = BEGIN + frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hi"}})
    events, failure = read_in_pieces(reader(), begun + exception("throttlingException"), [])
    assert events == [TextDelta("Hi")]
    assert failure is not None


def test_what_follows_the_end_is_not_looked_at() -> None:
    """A provider that says goodbye in its own way would break answers that have ended well."""
    events, failure = read_in_pieces(reader(), stream_of([text_block("Hi")]) + frame("bye", {}), [])
    assert failure is None
    assert events[0] == TextDelta("Hi")


def test_counts_that_come_before_the_end() -> None:
    """The end of an answer would not be read where its counts come first."""
    end = frame("messageStop", {"stopReason": "end_turn"})
    stream = BEGIN + frame("metadata", {"usage": usage()}) + end
    events, failure = read_in_pieces(reader(), stream, [])
    assert failure is None
    assert isinstance(events[0], Finish)


def test_answer_that_ends_inside_a_frame() -> None:
    """The last word of an answer would be lost without anybody noticing."""
    stream = stream_of([text_block("Hi")])
    end = frame("metadata", {"usage": {}})
    events, failure = read_in_pieces(reader(), stream[: -len(end) // 2], [])
    assert joined(events)[0] == TextDelta("Hi")
    assert failure is not None
    assert "middle of an event" in failure.message


def test_frame_of_no_kind() -> None:
    """An event that says nothing of itself would be passed over."""
    odd = frame("x", {}, kind="event").replace(b":event-type", b":other-type")
    _, failure = read_in_pieces(reader(), odd, [])
    assert failure is not None
