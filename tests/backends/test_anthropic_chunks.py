"""Anthropic's messages are read by one table, and what it does not name is refused."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backends.anthropic import whole_message
from app.backends.anthropic_chunks import MessageReader
from app.backends.pieces import PieceReader
from app.backends.sse import SseParser
from app.domain.errors import BackendError, BackendProblem
from app.domain.events import Finish, StreamEvent, TextDelta, ToolCallDelta
from tests.backends.reading import joined, maybe, read_in_pieces
from tests.backends.tables import TESTS, rows, shown
from tests.servers.anthropic_server import (
    call_block,
    message,
    named,
    stream_of,
    text_block,
    thinking_block,
    usage,
)

Json = Any
RECORDINGS = TESTS / "recordings" / "anthropic"


def reader() -> PieceReader[bytes]:
    """Reads a stream."""
    return PieceReader(SseParser(), MessageReader())


def expanded(row: dict[str, Json]) -> list[Json]:
    """The events of a row as a provider would send them."""
    events: list[Json] = []
    if not row.get("bare"):
        events.append({"type": "message_start", "message": message(usage=usage(7, 1))})
    index = -1
    for short in row["events"]:
        if short == "x":
            events.append({"type": "content_block_stop", "index": max(index, 0)})
            continue
        if "s" in short:
            index = short.get("i", index + 1)
            block = {"type": "content_block_start", "index": index, "content_block": short["s"]}
            events.append(block)
        elif "d" in short:
            at = short.get("i", index)
            events.append({"type": "content_block_delta", "index": at, "delta": short["d"]})
        else:
            events.append(short["raw"])
    if not row.get("open"):
        delta = {"stop_reason": row.get("stop", "end_turn"), "stop_sequence": None}
        events.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 3}})
        events.append({"type": "message_stop"})
    return events


def read(events: list[Json]) -> list[StreamEvent]:
    """What a message is read as."""
    answer = MessageReader()
    for each in events:
        answer.read(json.dumps(each).encode())
    return [*answer.take(), *answer.end()]


@pytest.mark.parametrize("row", rows("anthropic"))
def test_table_of_messages(row: dict[str, Json]) -> None:
    """A provider's answer would be lost, cut, or let through without having been looked at."""
    if "read" in row:
        wanted = list(row["read"])
        if "Usage" not in wanted[-1]:
            wanted.append({"Usage": {"input_tokens": 7, "output_tokens": 3}})
        assert [shown(each) for each in read(expanded(row))] == wanted
        return
    with pytest.raises(BackendError) as caught:
        read(expanded(row))
    assert caught.value.problem.value == row["refused"].get("problem", "broken")
    assert row["refused"]["says"] in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("row", rows("anthropic_recordings"))
@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 20])
def test_recordings(row: dict[str, Json], chunk_bytes: int) -> None:
    """What the provider documents would not be understood."""
    recording = (RECORDINGS / row["file"]).read_bytes()
    failure: BackendError | None = None
    if row["file"].endswith(".json"):
        events = whole_message(recording)
    else:
        cuts = range(0, len(recording), chunk_bytes)
        events, failure = read_in_pieces(reader(), recording, list(cuts))
    assert [shown(each) for each in joined(events)] == row["read"]
    assert (failure.problem.value if failure else None) == row.get("fails")


def test_every_recording_has_a_row() -> None:
    """A recording that no test reads proves nothing."""
    files = {path.name for path in RECORDINGS.iterdir()}
    assert files == {param.values[0]["file"] for param in rows("anthropic_recordings")}


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 200), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
DELTAS = ["text_delta", "thinking_delta", "signature_delta", "input_json_delta", "citations_delta"]
CITED = ["page_location", "web_search_result_location"]
BLOCKS = ["text", "thinking", "redacted_thinking", "tool_use"]
types = st.sampled_from([*BLOCKS, *DELTAS, *CITED])
near_blocks = maybe(
    {
        "type": types,
        "text": st.text(max_size=3),
        "thinking": st.text(max_size=3),
        "signature": st.text(max_size=3),
        "data": st.text(max_size=3),
        "id": st.sampled_from(["c", "d"]),
        "name": st.just("f"),
        "input": st.just({}),
        "partial_json": st.text(max_size=3),
        "citation": maybe({"type": types, "url": st.just("u"), "title": st.just("t")}, json_values),
        "citations": st.lists(json_values, max_size=2),
        "stop_reason": st.sampled_from(["end_turn", "tool_use", "refusal"]),
    },
    json_values,
)
STARTS = ["message_start", "content_block_start", "content_block_delta", "message_delta"]
near_events = st.one_of(
    st.just({"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}),
    st.builds(
        lambda delta: {"type": "content_block_delta", "index": 0, "delta": delta}, near_blocks
    ),
    st.just({"type": "message_start", "message": {"role": "assistant"}}),
    st.just({"type": "message_stop"}),
    st.builds(lambda index: {"type": "content_block_stop", "index": index}, st.integers(0, 2)),
    maybe(
        {
            "type": st.sampled_from(
                [*STARTS, "content_block_stop", "message_stop", "ping", "error"]
            ),
            "index": st.integers(0, 2),
            "message": maybe(
                {
                    "role": st.just("assistant"),
                    "usage": maybe({"input_tokens": st.integers()}, json_values),
                },
                json_values,
            ),
            "content_block": near_blocks,
            "delta": near_blocks,
            "usage": maybe({"output_tokens": st.integers(0, 9)}, json_values),
            "error": maybe({"type": st.sampled_from(["overloaded_error", "x"])}, json_values),
        },
        json_values,
    ),
    json_values,
)


@settings(deadline=None, max_examples=200)
@given(st.lists(near_events, max_size=8), st.booleans())
def test_any_json_gives_events_or_a_backend_error(events: list[Json], has_begun: bool) -> None:  # noqa: FBT001  # drawn
    """A provider could stop a request with an exception that nobody handles."""
    begun = [{"type": "message_start", "message": {"role": "assistant"}}] if has_begun else []
    try:
        given_events = read([*begun, *events])
    except BackendError:
        return
    assert sum(isinstance(each, Finish) for each in given_events) == 1


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=80))
def test_any_bytes_give_a_backend_error(data: bytes) -> None:
    """The same, for bytes that are no JSON, no UTF-8 or no event stream."""
    for body in (data, b"data: " + data + b"\n\n"):
        _, failure = read_in_pieces(reader(), body, [])
        assert failure is not None
        assert failure.problem is BackendProblem.BROKEN
    with pytest.raises(BackendError):
        whole_message(data)


@settings(deadline=None, max_examples=100)
@given(
    maybe(
        {"content": st.lists(near_blocks, max_size=3), "stop_reason": st.just("end_turn")},
        json_values,
    )
)
def test_any_whole_message_gives_events_or_a_backend_error(body: Json) -> None:
    """The same, for an answer that comes as one JSON object."""
    try:
        events = whole_message(json.dumps(body).encode())
    except BackendError:
        return
    assert sum(isinstance(each, Finish) for each in events) == 1


def blocks(text: str) -> list[Json]:
    """A message with everything in it."""
    return [
        thinking_block(text, "sig"),
        {"type": "redacted_thinking", "data": "opaque"},
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
    body = orjson.dumps(message(blocks(text), stop="tool_use"))
    assert joined(events) == joined(whole_message(body))
    assert [each.arguments for each in joined(events) if isinstance(each, ToolCallDelta)] == [
        orjson.dumps({"a": text}).decode(),
        "{}",
    ]


def test_text_before_a_failure_is_given() -> None:
    """What a client gets of an answer that fails would depend on how packets fall."""
    good = stream_of([text_block("Hi")])[: -len(named("message_stop"))]
    events, failure = read_in_pieces(reader(), good + named("error", error={}), [])
    assert joined(events) == [TextDelta("Hi")]
    assert failure is not None


def test_what_follows_the_end_is_not_looked_at() -> None:
    """A provider that says goodbye in its own way would break answers that have ended well."""
    stream = stream_of([text_block("Hi")]) + b"data: [DONE]\n\nbye\n"
    events, failure = read_in_pieces(reader(), stream, [])
    assert failure is None
    assert joined(events)[0] == TextDelta("Hi")


def test_too_many_calls_are_refused() -> None:
    """A provider could fill the memory with calls that have nothing in them."""
    calls = [call_block(f"c{n}", "f", {}) for n in range(129)]
    with pytest.raises(BackendError, match="more than 128"):
        whole_message(orjson.dumps(message(calls, stop="tool_use")))
