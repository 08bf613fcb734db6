"""Responses are read by one table, and what it does not name is refused."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backends.pieces import PieceReader
from app.backends.responses import whole_response
from app.backends.responses_chunks import ResponseReader
from app.backends.sse import SseParser
from app.domain.errors import BackendError, BackendProblem
from app.domain.events import Finish, StreamEvent, TextDelta, ToolCallDelta
from tests.backends.reading import joined, maybe, read_in_pieces
from tests.backends.tables import TESTS, rows, shown
from tests.servers.responses_server import (
    begin_events,
    call_item,
    end_event,
    error_event,
    item_events,
    message_item,
    numbered,
    reasoning_item,
    response,
    stream_of,
    text_item,
)

Json = Any
RECORDINGS = TESTS / "recordings" / "responses"
DELTAS = {
    "t": ("output_text.delta", "content_index"),
    "r": ("refusal.delta", "content_index"),
    "s": ("reasoning_summary_text.delta", "summary_index"),
    "g": ("reasoning_text.delta", "content_index"),
    "j": ("function_call_arguments.delta", None),
}


def reader() -> PieceReader[bytes]:
    """Reads a stream."""
    return PieceReader(SseParser(), ResponseReader())


def expanded(row: dict[str, Json]) -> list[Json]:
    """The events of a row as a provider would send them."""
    events: list[Json] = [{"type": kind, **fields} for kind, fields in begin_events()]
    last = -1
    for short in row["events"]:
        if "a" in short:
            last = short.get("i", last + 1)
            item = {"output_index": last, "item": short["a"]}
            events.append({"type": "response.output_item.added", **item})
            continue
        at, part = short.get("i", max(last, 0)), short.get("p", 0)
        if "d" in short:
            item = {"output_index": at, "item": short["d"]}
            events.append({"type": "response.output_item.done", **item})
        elif "c" in short:
            place = {"output_index": at, "content_index": part, "annotation_index": 0}
            kind = "response.output_text.annotation.added"
            events.append({"type": kind, **place, "annotation": short["c"]})
        elif "raw" in short:
            events.append(short["raw"])
        else:
            (key,) = short.keys() & DELTAS.keys()
            kind, index = DELTAS[key]
            place = {"output_index": at, **({} if index is None else {index: part})}
            events.append({"type": f"response.{kind}", **place, "delta": short[key]})
    if not row.get("open"):
        ended = end_event(row.get("output", ()), reason=row.get("why"), **row.get("more", {}))
        events.append({"type": ended[0], **ended[1]})
    return [{"sequence_number": number, **each} for number, each in enumerate(events)]


def read(events: list[Json]) -> list[StreamEvent]:
    """What a response is read as."""
    answer = ResponseReader()
    for each in events:
        answer.read(json.dumps(each).encode())
    return [*answer.take(), *answer.end()]


@pytest.mark.parametrize("row", rows("responses"))
def test_table_of_responses(row: dict[str, Json]) -> None:
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


@pytest.mark.parametrize("row", rows("responses_recordings"))
@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 20])
def test_recordings(row: dict[str, Json], chunk_bytes: int) -> None:
    """What the provider documents would not be understood."""
    recording = (RECORDINGS / row["file"]).read_bytes()
    failure: BackendError | None = None
    if row["file"].endswith(".json"):
        events = whole_response(recording)
    else:
        cuts = range(0, len(recording), chunk_bytes)
        events, failure = read_in_pieces(reader(), recording, list(cuts))
    assert [shown(each) for each in joined(events)] == row["read"]
    assert (failure.problem.value if failure else None) == row.get("fails")


def test_every_recording_has_a_row() -> None:
    """A recording that no test reads proves nothing."""
    files = {path.name for path in RECORDINGS.iterdir()}
    assert files == {param.values[0]["file"] for param in rows("responses_recordings")}


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 200), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
near_annotations = maybe(
    {
        "type": st.sampled_from(["url_citation", "file_path"]),
        "url": st.just("u"),
        "title": st.just("t"),
        "start_index": st.integers(0, 3),
        "end_index": st.integers(0, 3),
    },
    json_values,
)
near_parts = maybe(
    {
        "type": st.sampled_from(["output_text", "refusal", "summary_text", "reasoning_text"]),
        "text": st.text(max_size=3),
        "refusal": st.text(max_size=3),
        "annotations": st.lists(near_annotations, max_size=2),
    },
    json_values,
)
near_items = maybe(
    {
        "type": st.sampled_from(["message", "function_call", "reasoning"]),
        "role": st.just("assistant"),
        "content": st.lists(near_parts, max_size=2),
        "summary": st.lists(near_parts, max_size=2),
        "encrypted_content": st.text(max_size=3),
        "call_id": st.sampled_from(["c", "d"]),
        "name": st.just("f"),
        "arguments": st.text(max_size=3),
    },
    json_values,
)
near_responses = maybe(
    {
        "status": st.sampled_from(["completed", "incomplete", "failed"]),
        "output": st.lists(near_items, max_size=3),
        "usage": maybe({"input_tokens": st.integers(0, 9)}, json_values),
        "error": maybe({"code": st.sampled_from(["server_error", "content_filter"])}, json_values),
        "incomplete_details": st.just({"reason": "content_filter"}),
    },
    json_values,
)
KINDS = ["created", "completed", "incomplete", "failed", "output_item.added", "output_item.done"]
KINDS += [kind for kind, _ in DELTAS.values()] + ["output_text.annotation.added", "queued"]
near_events = st.one_of(
    st.builds(
        lambda kind, item: {"type": f"response.{kind}", "output_index": 0, "item": item},
        st.sampled_from(["output_item.added", "output_item.done"]),
        st.one_of(near_items, st.just(text_item("a")), st.just(call_item("c", "f", "{}"))),
    ),
    st.builds(
        lambda kind, delta: {
            "type": f"response.{kind}",
            "output_index": 0,
            "content_index": 0,
            "summary_index": 0,
            "delta": delta,
        },
        st.sampled_from([kind for kind, _ in DELTAS.values()]),
        st.text(max_size=3),
    ),
    st.just({"type": "response.completed", "response": {"output": []}}),
    st.builds(lambda ended: {"type": "response.completed", "response": ended}, near_responses),
    maybe(
        {
            "type": st.sampled_from(
                [*(f"response.{kind}" for kind in KINDS), "keepalive", "error"]
            ),
            "sequence_number": st.integers(0, 2),
            "output_index": st.integers(0, 2),
            "content_index": st.integers(0, 2),
            "summary_index": st.integers(0, 2),
            "annotation_index": st.integers(0, 2),
            "item": near_items,
            "delta": st.text(max_size=3),
            "annotation": near_annotations,
            "response": near_responses,
            "error": maybe({"code": st.sampled_from(["slow_down", "x"])}, json_values),
        },
        json_values,
    ),
    json_values,
)


@settings(deadline=None, max_examples=200)
@given(st.lists(near_events, max_size=8))
def test_any_json_gives_events_or_a_backend_error(events: list[Json]) -> None:
    """A provider could stop a request with an exception that nobody handles."""
    answer = ResponseReader()
    try:
        for each in events:
            if not answer.is_done:
                answer.read(json.dumps(each).encode())
        given_events = [*answer.take(), *answer.end()]
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
        whole_response(data)


@settings(deadline=None, max_examples=150)
@given(near_responses)
def test_any_whole_response_gives_events_or_a_backend_error(body: Json) -> None:
    """The same, for an answer that comes as one JSON object."""
    try:
        events = whole_response(json.dumps(body).encode())
    except BackendError:
        return
    assert sum(isinstance(each, Finish) for each in events) == 1


def items(text: str) -> list[Json]:
    """A response with everything in it."""
    cited = {"type": "url_citation", "url": "u", "title": text, "start_index": 0, "end_index": 1}
    said = {"type": "output_text", "text": text, "annotations": [cited], "logprobs": []}
    return [
        reasoning_item(text, f"{text}{text}", signed="sig"),
        reasoning_item(signed="opaque"),
        text_item(text, phase="commentary"),
        call_item("c", "f", orjson.dumps({"a": text}).decode()),
        {**reasoning_item(signed="more"), "content": [{"type": "reasoning_text", "text": text}]},
        message_item(said, {"type": "refusal", "refusal": text}),
        call_item("d", "g", ""),
    ]


@settings(deadline=None, max_examples=60)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    chunk_chars=st.integers(1, 5),
    positions=st.lists(st.integers(0, 9000), max_size=12),
)
def test_answer_does_not_depend_on_the_network(
    text: str, chunk_chars: int, positions: list[int]
) -> None:
    """Letters of several bytes would break where a packet ends, or an event be lost there."""
    stream = stream_of(items(text), chunk_chars=chunk_chars)
    events, failure = read_in_pieces(reader(), stream, [each % len(stream) for each in positions])
    assert failure is None
    assert joined(events) == joined(whole_response(orjson.dumps(response(items(text)))))
    assert [each.arguments for each in joined(events) if isinstance(each, ToolCallDelta)] == [
        orjson.dumps({"a": text}).decode(),
        "{}",
    ]


def test_text_before_a_failure_is_given() -> None:
    """What a client gets of an answer that fails would depend on how packets fall."""
    good = b"".join(numbered([*begin_events(), *item_events(0, text_item("Hi"))]))
    events, failure = read_in_pieces(reader(), good + error_event("server_error"), [])
    assert joined(events) == [TextDelta("Hi")]
    assert failure is not None


def test_what_follows_the_end_is_not_looked_at() -> None:
    """A provider that says goodbye in its own way would break answers that have ended well."""
    stream = stream_of([text_item("Hi")]) + b"data: [DONE]\n\nbye\n"
    events, failure = read_in_pieces(reader(), stream, [])
    assert failure is None
    assert joined(events)[0] == TextDelta("Hi")


def test_events_without_numbers() -> None:
    """A compatible server that does not count its events could not be asked."""
    numbers = [b'"sequence_number":%d,' % number for number in range(20)]
    stream = stream_of([text_item("Hi")])
    for number in numbers:
        stream = stream.replace(number, b"")
    assert read_in_pieces(reader(), stream, [])[1] is None


def test_whole_response_that_failed() -> None:
    """An error in the place of an answer would be taken for an empty one."""
    error = {"code": "rate_limit_exceeded", "message": "secret"}
    with pytest.raises(BackendError, match="limits the rate") as caught:
        whole_response(orjson.dumps(response(status="failed", error=error)))
    assert "secret" not in caught.value.message
    with pytest.raises(BackendError, match="status"):
        whole_response(orjson.dumps(response(status="queued")))


def test_too_many_calls_are_refused() -> None:
    """A provider could fill the memory with calls that have nothing in them."""
    calls = [call_item(f"c{n}", "f", "{}") for n in range(129)]
    with pytest.raises(BackendError, match="more than 128"):
        whole_response(orjson.dumps(response(calls)))
