"""Events come out of bytes the same, however the network cuts them."""

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.backends.sse import SseParser
from app.domain.errors import BackendError, BackendProblem

LINE_ENDS = ["\n", "\r", "\r\n"]
LINES = ["data: a", "data:b", "data:  c", "data", "data:", "", "", ": ping", "event: x", "id: 1"]


def parsed(pieces: list[bytes], *, max_event_bytes: int = 1000) -> tuple[list[bytes], bool]:
    """The events of a stream that comes in these pieces, and whether it was refused."""
    parser = SseParser(max_event_bytes=max_event_bytes)
    events: list[bytes] = []
    try:
        for piece in pieces:
            events.extend(parser.feed(piece))
        events.extend(parser.end())
    except BackendError as exc:
        return events, exc.problem is BackendProblem.BROKEN
    return events, False


def cut(stream: bytes, positions: list[int]) -> list[bytes]:
    """The stream cut at these positions, empty pieces included."""
    edges = [0, *sorted(position % (len(stream) + 1) for position in positions), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


streams = st.lists(
    st.tuples(st.sampled_from([*LINES, "data: é🙂", "nonsense", "data: " + "x" * 30]),
              st.sampled_from(LINE_ENDS)),
    max_size=12,
).map(lambda lines: "".join(text + end for text, end in lines).encode())  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(
    stream=st.one_of(streams, streams.map(b"\xef\xbb\xbf".__add__), st.binary(max_size=60)),
    positions=st.lists(st.integers(0, 400), max_size=20),
)
@example(stream=b"data: a\r\n\r\ndata: b\r\r", positions=list(range(30)))
@example(stream=b"\xef\xbb\xbfdata: a\n\n", positions=[1, 2])
@example(stream=b"data: 1234567\n", positions=[])
def test_any_cutting_gives_the_same_events(stream: bytes, positions: list[int]) -> None:
    """A provider's answer would depend on how packets happen to fall."""
    assert parsed(cut(stream, positions), max_event_bytes=24) == parsed(
        [stream], max_event_bytes=24
    )


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"data: a\n\ndata: b\n\n", [b"a", b"b"], id="two events"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"], id="CRLF"),
        pytest.param(b"data: a\r\rdata: b\r\r", [b"a", b"b"], id="CR"),
        pytest.param(b"data: a\ndata: b\n\n", [b"a\nb"], id="an event of two lines"),
        pytest.param(b"data:a\n\n", [b"a"], id="no blank after the colon"),
        pytest.param(b"data:  a\n\n", [b" a"], id="two blanks after the colon"),
        pytest.param(b"data\n\n", [b""], id="a field without a colon"),
        pytest.param(b": ping\n\n: ping\n\ndata: a\n\n", [b"a"], id="comments"),
        pytest.param(b"event: x\nid: 1\nretry: 5\ndata: a\n\n", [b"a"], id="other fields"),
        pytest.param(b"event: x\n\n", [], id="an event without data"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [b"a"], id="a byte order mark"),
        pytest.param(b"\n\n\ndata: a\n\n\n\n", [b"a"], id="more empty lines than needed"),
        pytest.param(b"data: a\n\ndata: b\n", [b"a", b"b"], id="no empty line at the end"),
        pytest.param(b"data: a\n\ndata: b", [b"a", b"b"], id="no line end at the end"),
        pytest.param(b"data: \xe2\x80\xa8\n\n", [b"\xe2\x80\xa8"], id="U+2028 ends no line"),
    ],
)
def test_standard_streams(stream: bytes, events: list[bytes]) -> None:
    """A provider that writes the standard in another of its forms would not be understood."""
    assert parsed([stream]) == (events, False)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b'data: a\n\n{"error": 1}\n\n', [b"a"], id="bare JSON after an event"),
        pytest.param(b"data: a\n\n data: b\n\n", [b"a"], id="a field with a blank before it"),
        pytest.param(b"data: a\n\ndata: " + b"x" * 2000, [b"a"], id="a long line without end"),
        pytest.param(b"data: x\n" * 200, [], id="an event of many lines"),
        pytest.param(b"data\n" * 400, [], id="an event of many empty lines"),
        pytest.param(b":" + b"x" * 2000 + b"\n", [], id="a long comment"),
    ],
)
def test_refused_streams(stream: bytes, events: list[bytes]) -> None:
    """An error would be overheard, or memory would grow with what a provider sends."""
    assert parsed([stream]) == (events, True)


def test_keep_alives_never_add_up() -> None:
    """A long silence filled with comments would be taken for an event that is too long."""
    assert parsed([b": ping\n"] * 500 + [b": ping\n\n", b"event: x\n\n"] * 500) == ([], False)


def test_long_line_is_refused_before_it_ends() -> None:
    """A provider that never ends its line would fill the memory."""
    parser = SseParser(max_event_bytes=100)
    list(parser.feed(b"data: " + b"x" * 90))
    with pytest.raises(BackendError, match="longer than 100 bytes"):
        list(parser.feed(b"x" * 5))
