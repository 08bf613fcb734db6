"""Chunks are read by one table, and what it does not name is refused."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backends.chat_answer import AnswerReader, whole_answer
from app.backends.chat_chunks import PLAIN, ChunkReader
from app.domain.conversation import Sampling
from app.domain.errors import BackendError, BackendProblem
from app.domain.events import Finish, StreamEvent, TextDelta, ToolCallDelta
from tests.backends.tables import TESTS, rows, shown
from tests.servers.openai_server import DONE, event, text_stream

Json = Any


def expanded(short: dict[str, Json]) -> Json:
    """A chunk of the table as a provider would send it."""
    if "raw" in short:
        return short["raw"]
    choice = {
        "index": 0,
        "delta": short.get("delta", {}),
        "finish_reason": short.get("finish"),
        **short.get("choice", {}),
    }
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**head, "choices": [choice], **short.get("chunk", {})}


def read(chunks: list[Json], asked: Sampling = PLAIN) -> list[StreamEvent]:
    """The events of an answer."""
    reader = ChunkReader(asked)
    for chunk in chunks:
        reader.read(json.dumps(chunk).encode())
    return [*reader.take(), *reader.end()]


def read_bytes(body: bytes) -> tuple[list[StreamEvent], BackendError | None]:
    """The events of a stream, and how it failed after them."""
    reader = AnswerReader()
    events: list[StreamEvent] = []
    try:
        for source in (reader.feed(body), reader.end()):
            for each in source:
                events.append(each)  # noqa: PERF402  # filled also when it raises
    except BackendError as exc:
        return events, exc
    return events, None


@pytest.mark.parametrize("row", rows("chunks"))
def test_table_of_chunks(row: dict[str, Json]) -> None:
    """A provider's answer would be lost, cut, or let through without having been looked at."""
    chunks = [expanded(short) for short in row["chunks"]]
    if not row.get("open"):
        chunks.append(expanded({"finish": "stop"}))
    asked = Sampling(**row.get("asked", {}))
    if "events" in row:
        assert [shown(each) for each in read(chunks, asked)] == row["events"]
        return
    with pytest.raises(BackendError) as caught:
        read(chunks, asked)
    assert caught.value.problem.value == row["refused"]["problem"]
    assert row["refused"]["says"] in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("row", rows("recordings"))
@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 20])
def test_recordings(row: dict[str, Json], chunk_bytes: int) -> None:
    """What a real server sent would no longer be understood."""
    recording = (TESTS / "recordings" / row["file"]).read_bytes()
    if row["file"].endswith(".json"):
        events = whole_answer(recording)
    else:
        reader = AnswerReader()
        pieces = [recording[at : at + chunk_bytes] for at in range(0, len(recording), chunk_bytes)]
        events = [each for piece in pieces for each in reader.feed(piece)]
        events += reader.end()
    text = "".join(each.text for each in events if isinstance(each, TextDelta))
    assert text.startswith(row.get("starts", ""))
    assert text
    assert [shown(each) for each in events if not isinstance(each, TextDelta)] == [
        {"Finish": {"reason": row["finish"]}},
        {"Usage": row["usage"]},
    ]


def test_every_recording_has_a_row() -> None:
    """A recording that no test reads proves nothing."""
    recordings = (TESTS / "recordings").iterdir()
    files = {path.name for path in recordings if path.is_file()} - {"README.md"}
    assert files == {param.values[0]["file"] for param in rows("recordings")}


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 200), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def maybe(fields: dict[str, st.SearchStrategy[Json]]) -> st.SearchStrategy[Json]:
    """An object that has some of these fields, each as it should be or anything."""
    return st.fixed_dictionaries(
        {}, optional={name: st.one_of(wanted, json_values) for name, wanted in fields.items()}
    )


URLS = ["data:image/png;base64,iVBORw0KGgo=", "data:image/png;base64,AAAA", "https://a", "data:"]
near_calls = maybe(
    {
        "index": st.integers(0, 2),
        "id": st.sampled_from(["c1", "c2", ""]),
        "type": st.just("function"),
        "function": maybe({"name": st.sampled_from(["f", "g"]), "arguments": st.text(max_size=3)}),
    }
)
near_chunks = maybe(
    {
        "choices": st.lists(
            maybe(
                {
                    "index": st.integers(0, 2),
                    "delta": maybe(
                        {
                            "content": st.text(max_size=4),
                            "reasoning": st.text(max_size=4),
                            "reasoning_content": st.text(max_size=4),
                            "tool_calls": st.lists(near_calls, max_size=2),
                            "annotations": st.lists(
                                maybe({"type": st.just("url_citation")}), max_size=1
                            ),
                            "images": st.lists(
                                maybe({"image_url": maybe({"url": st.sampled_from(URLS)})}),
                                max_size=2,
                            ),
                        }
                    ),
                    "finish_reason": st.sampled_from(["stop", "length", None]),
                }
            ),
            max_size=2,
        ),
        "usage": maybe({"prompt_tokens": st.integers(0, 9), "completion_tokens": st.integers()}),
    }
)


@settings(deadline=None, max_examples=400)
@given(st.lists(st.one_of(near_chunks, json_values), max_size=4))
def test_any_json_gives_events_or_a_broken_answer(chunks: list[Json]) -> None:
    """A provider could stop a request with an exception that nobody handles."""
    try:
        events = read(chunks)
    except BackendError as exc:
        assert exc.problem in {BackendProblem.BROKEN, BackendProblem.FAILED}  # noqa: PT017  # either is right
        return
    ended: set[int] = set()
    for each in events:
        choice = getattr(each, "choice", None)
        assert choice not in ended
        if isinstance(each, Finish):
            ended.add(each.choice)
    assert ended


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=80))
def test_any_bytes_give_events_or_a_broken_answer(data: bytes) -> None:
    """The same, for bytes that are no JSON, no UTF-8 or no event stream."""
    for body in (data, b"data: " + data + b"\n\n"):
        _, failure = read_bytes(body)
        assert failure is not None
        assert failure.problem is BackendProblem.BROKEN
    with pytest.raises(BackendError):
        whole_answer(data)


@settings(deadline=None, max_examples=150)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
    chunk_chars=st.integers(1, 5),
    positions=st.lists(st.integers(0, 5000), max_size=12),
)
def test_text_does_not_depend_on_the_network(
    text: str, chunk_chars: int, positions: list[int]
) -> None:
    """Letters of several bytes would break where a packet ends."""
    stream = text_stream(text, chunk_chars=chunk_chars)
    edges = [0, *sorted(position % len(stream) for position in positions), len(stream)]
    reader = AnswerReader()
    events: list[StreamEvent] = []
    for start, end in zip(edges, edges[1:], strict=False):  # noqa: RUF007  # shows the edges
        events += reader.feed(stream[start:end])
    events += reader.end()
    assert "".join(each.text for each in events if isinstance(each, TextDelta)) == text
    assert [type(each).__name__ for each in events[-2:]] == ["Finish", "Usage"]


def test_text_before_a_failure_is_given() -> None:
    """What a client gets of an answer that fails would depend on how packets fall."""
    good = event({"choices": [{"index": 0, "delta": {"content": "Hi"}}]})
    events, failure = read_bytes(good + event({"error": {"message": "x"}}))
    assert events == [TextDelta("Hi")]
    assert failure is not None


def test_what_follows_the_end_is_not_looked_at() -> None:
    """A provider that says goodbye in its own way would break answers that have ended well."""
    reader = AnswerReader()
    events = list(reader.feed(text_stream("Hi") + b"data: bye\n\nbye\n"))
    events += reader.feed(b"bye\n\n")
    events += reader.end()
    assert reader.is_done
    assert events[0] == TextDelta("Hi")


def test_done_without_a_finish_is_broken() -> None:
    """An answer that was cut off would be taken for a whole one."""
    reader = AnswerReader()
    cut_off = event({"choices": [{"index": 0, "delta": {"content": "Hi"}}]})
    list(reader.feed(cut_off + DONE))
    with pytest.raises(BackendError):
        list(reader.end())


def test_whole_answer_with_calls() -> None:
    """A provider that does not stream would lose its tool calls."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call, {**call, "id": "d"}]}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    calls = [each for each in whole_answer(orjson.dumps(body)) if isinstance(each, ToolCallDelta)]
    assert calls == [ToolCallDelta(0, "{}", "c", "f"), ToolCallDelta(1, "{}", "d", "f")]


def test_too_many_calls_are_refused() -> None:
    """A provider could fill the memory with calls that have nothing in them."""
    calls = [{"index": n, "id": f"c{n}", "function": {"name": "f"}} for n in range(129)]
    with pytest.raises(BackendError, match="more than 128"):
        read([{"choices": [{"index": 0, "delta": {"tool_calls": calls}}]}])
