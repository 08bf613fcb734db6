"""Gemini's answers are read by one table, and what it does not name is refused."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backends.gemini_chunks import GenerationReader
from app.backends.pieces import PieceReader
from app.backends.sse import SseParser
from app.domain.errors import BackendError, BackendProblem
from app.domain.events import Finish, StreamEvent, TextDelta, ToolCallDelta
from tests.backends.reading import joined, maybe, read_in_pieces
from tests.backends.tables import TESTS, rows, shown
from tests.backends.test_gemini import numbered
from tests.servers.gemini_server import answer, call_part, error, stream_of, thought_part
from tests.servers.openai_server import event

Json = Any
RECORDINGS = TESTS / "recordings" / "gemini"


def reader() -> PieceReader[bytes]:
    """Reads a stream."""
    return PieceReader(SseParser(), GenerationReader(numbered()))


def read(pieces: list[Json]) -> list[StreamEvent]:
    """What an answer is read as."""
    generation = GenerationReader(numbered())
    for each in pieces:
        generation.read(json.dumps(each).encode())
    return [*generation.take(), *generation.end()]


def read_whole(body: bytes) -> list[StreamEvent]:
    """What an answer that came as one JSON object is read as."""
    generation = GenerationReader(numbered())
    generation.read(body)
    return [*generation.take(), *generation.end()]


def expanded(row: dict[str, Json]) -> list[Json]:
    """The pieces of a row as a provider would send them."""
    if "raw" in row:
        return list(row["raw"])
    pieces: list[Json] = [{"candidates": [{"content": {"parts": each}}]} for each in row["parts"]]
    if not row.get("open"):
        pieces.append({"candidates": [{"finishReason": row.get("finish", "STOP"), "index": 0}]})
    return pieces


@pytest.mark.parametrize("row", rows("gemini"))
def test_table_of_answers(row: dict[str, Json]) -> None:
    """A provider's answer would be lost, cut, or let through without having been looked at."""
    if "read" in row:
        assert [shown(each) for each in read(expanded(row))] == row["read"]
        return
    with pytest.raises(BackendError) as caught:
        read(expanded(row))
    assert caught.value.problem.value == row["refused"].get("problem", "broken")
    assert row["refused"]["says"] in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("row", rows("gemini_recordings"))
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
    assert files == {param.values[0]["file"] for param in rows("gemini_recordings")}


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 200), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
near_parts = maybe(
    {
        "text": st.text(max_size=3),
        "thought": st.booleans(),
        "thoughtSignature": st.just("c2ln"),
        "functionCall": maybe(
            {"name": st.just("f"), "id": st.just("c"), "args": st.just({"a": 1})}, json_values
        ),
        "inlineData": maybe(
            {"mimeType": st.just("image/png"), "data": st.just("iVBORw0KGgo=")}, json_values
        ),
    },
    json_values,
)
citations = maybe(
    {"uri": st.just("u"), "startIndex": st.integers(-1, 9), "endIndex": st.integers(0, 9)},
    json_values,
)
near_candidates = maybe(
    {
        "content": maybe(
            {"role": st.just("model"), "parts": st.lists(near_parts, max_size=3)}, json_values
        ),
        "finishReason": st.sampled_from(["STOP", "SAFETY", "OTHER"]),
        "index": st.integers(0, 1),
        "citationMetadata": maybe({"citations": st.lists(citations, max_size=2)}, json_values),
    },
    json_values,
)
near_pieces = st.one_of(
    maybe(
        {
            "candidates": st.lists(near_candidates, max_size=2),
            "promptFeedback": maybe({"blockReason": st.just("SAFETY")}, json_values),
            "usageMetadata": maybe({"promptTokenCount": st.integers(-1, 9)}, json_values),
        },
        json_values,
    ),
    st.builds(lambda part: {"candidates": [{"content": {"parts": [part]}}]}, near_parts),
    st.just({"candidates": [{"finishReason": "STOP"}]}),
    maybe({"error": maybe({"status": st.just("INTERNAL")}, json_values)}, json_values),
    json_values,
)


@settings(deadline=None, max_examples=200)
@given(st.lists(near_pieces, max_size=6))
def test_any_json_gives_events_or_a_backend_error(pieces: list[Json]) -> None:
    """A provider could stop a request with an exception that nobody handles."""
    try:
        events = read(pieces)
    except BackendError:
        return
    assert sum(isinstance(each, Finish) for each in events) == 1


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=80))
def test_any_bytes_give_a_backend_error(data: bytes) -> None:
    """The same, for bytes that are no JSON, no UTF-8 or no event stream."""
    for body in (data, b"data: " + data + b"\n\n"):
        _, failure = read_in_pieces(reader(), body, [])
        assert failure is not None
        assert failure.problem is BackendProblem.BROKEN
    with pytest.raises(BackendError):
        read_whole(data)


def parts_with(text: str) -> list[Json]:
    """An answer with everything in it."""
    return [
        thought_part(text, "c2ln"),
        {"text": text, "thoughtSignature": "c2lo"},
        {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
        call_part("c", "f", {"a": text}, "c2lp"),
        {"functionCall": {"name": "g"}},
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
    stream = stream_of(parts_with(text), chunk_chars=chunk_chars)
    events, failure = read_in_pieces(reader(), stream, [each % len(stream) for each in positions])
    assert failure is None
    whole = read_whole(orjson.dumps(answer(parts_with(text), finish="STOP")))
    assert joined(events) == joined(whole)
    assert [each.arguments for each in joined(events) if isinstance(each, ToolCallDelta)] == [
        orjson.dumps({"a": text}).decode(),
        "{}",
    ]


def test_text_before_a_failure_is_given() -> None:
    """What a client gets of an answer that fails would depend on how packets fall."""
    stream = event(answer([{"text": "Hi"}])) + event(error("INTERNAL"))
    events, failure = read_in_pieces(reader(), stream, [])
    assert events == [TextDelta("Hi")]
    assert failure is not None


def test_too_many_calls_are_refused() -> None:
    """A provider could fill the memory with calls that have nothing in them."""
    calls = [{"functionCall": {"name": "f"}}] * 129
    with pytest.raises(BackendError, match="more than 128"):
        read_whole(orjson.dumps(answer(calls, finish="STOP")))
