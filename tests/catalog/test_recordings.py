"""Files of recordings: read strictly, added to durably, sorted so that changes are small."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.recording_file import read_line, written_line
from app.catalog.recordings import FOLDER, RecordingFiles
from app.domain.errors import ContentError
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
from app.domain.recording import GivenBy, Purpose, Recording, RecordingError

WORDS = st.text(st.characters(codec="utf-8"), max_size=8)
NUMBERS = st.integers(0, 9)
SAID: st.SearchStrategy[StreamEvent] = st.one_of(
    st.builds(TextDelta, WORDS),
    st.builds(RefusalDelta, WORDS),
    st.builds(ReasoningDelta, WORDS, signed=st.none() | WORDS, is_redacted=st.booleans()),
    st.builds(
        ToolCallDelta,
        NUMBERS,
        WORDS,
        st.none() | WORDS,
        st.none() | WORDS,
        signed=st.none() | WORDS,
    ),
    st.builds(Annotation, WORDS, WORDS, NUMBERS, NUMBERS),
)
RECORDINGS = st.builds(
    Recording,
    key=st.integers(0, 2**40).map(lambda number: f"sha256:{number:064x}"),
    suite=st.just("talks"),
    case=WORDS,
    repeat=NUMBERS,
    step=NUMBERS,
    purpose=st.sampled_from(Purpose),
    backend=WORDS,
    model=WORDS,
    given_by=st.sampled_from(GivenBy),
    on=st.dates(),
    events=st.lists(SAID, max_size=3).map(lambda said: (*said, Finish(FinishReason.STOP))),
    usage=st.none() | st.builds(Usage, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    first_ms=st.none() | NUMBERS,
    total_ms=st.none() | NUMBERS,
)


def recording(number: int, case: str = "a", suite: str = "talks") -> Recording:
    """An answer; the number tells it from others."""
    return Recording(
        key=f"sha256:{number:064x}",
        suite=suite,
        case=case,
        repeat=0,
        step=number,
        purpose=Purpose.ANSWER,
        backend="b",
        model="m",
        given_by=GivenBy.MODEL,
        on=date(2026, 11, 22),
        events=(TextDelta(f"number {number}"), Finish(FinishReason.STOP)),
    )


@settings(deadline=None)
@given(RECORDINGS)
def test_what_is_written_is_read_again(made: Recording) -> None:
    """Another answer would be replayed than was given."""
    line = written_line(made)
    assert b"\n" not in line
    assert read_line(line, "talks") == made


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=120))
def test_bytes_of_anybody_are_a_recording_or_refused(line: bytes) -> None:
    """A file that somebody broke would stop a run with a traceback."""
    with pytest.raises(ValueError, match="is no recording"):
        read_line(line, "talks")


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_damaged_line_is_refused_or_holds_another_recording(data: st.DataObject) -> None:
    """A run would stop with a traceback, or an answer without an end be replayed."""
    line = bytearray(written_line(recording(1)))
    for _ in range(data.draw(st.integers(1, 3))):
        line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = read_line(bytes(line), "talks")
    except ValueError as exc:
        told = str(exc)
        assert told.startswith("is no recording")
        assert "number" not in told  # nothing of the answer is quoted
    else:
        assert isinstance(read.events[-1], Finish) or Finish(FinishReason.STOP) in read.events


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"key": "sha256:0"},
        {"on": 0},
        {"repeat": -1},
        {"repeat": "0"},
        {"purpose": "fun"},
        {"events": []},
        {"events": [{"type": "text", "text": "no end"}]},
        {"events": [{"type": "finish", "reason": "stop"}] * 2},
        {"events": [{"type": "finish", "reason": "stop", "choice": 1}]},
        {"events": [{"type": "song", "text": "la"}, {"type": "finish", "reason": "stop"}]},
        {"usage": {"input_tokens": 1}},
    ],
)
def test_what_no_run_writes_is_refused(change: dict[str, object]) -> None:
    """A mistake in a file would be read as something else."""
    line = {**orjson.loads(written_line(recording(1))), **change}
    with pytest.raises(ValueError, match="is no recording"):
        read_line(orjson.dumps(line), "talks")


def test_an_answer_that_has_no_form_here_is_refused() -> None:
    """A picture would be lost, and the answer be replayed without it."""
    picture = replace(recording(1), events=(ImageDelta("image/png", "AA=="),))
    with pytest.raises(RecordingError, match="run it live"):
        written_line(picture)


async def test_answers_are_there_at_once_and_sorted_at_the_end(tmp_path: Path) -> None:
    """A run that was stopped would lose what it paid for, or a review see every line move."""
    files = RecordingFiles(tmp_path)
    for number, case in ((3, "b"), (2, "a"), (1, "a")):
        await files.keep(recording(number, case))
        assert RecordingFiles(tmp_path).find(f"sha256:{number:064x}") is not None
    await files.settle()
    content = (tmp_path / FOLDER / "talks.jsonl").read_bytes()
    assert [orjson.loads(line)["step"] for line in content.splitlines()] == [1, 2, 3]
    again = RecordingFiles(tmp_path)
    await again.keep(recording(1))
    await again.settle()
    assert (tmp_path / FOLDER / "talks.jsonl").read_bytes() == content


async def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    """After a run that was killed, no other could begin before somebody mended a file."""
    files = RecordingFiles(tmp_path)
    await files.keep(recording(1))
    path = tmp_path / FOLDER / "talks.jsonl"
    path.write_bytes(path.read_bytes() + written_line(recording(2))[:-9])
    again = RecordingFiles(tmp_path)
    assert len(again.all) == 1
    await again.keep(recording(3))
    assert [each.step for each in RecordingFiles(tmp_path).all] == [1, 3]


async def test_removed_answers_are_gone_and_so_are_empty_files(tmp_path: Path) -> None:
    """Files would grow with answers that nobody asks for."""
    files = RecordingFiles(tmp_path)
    await files.keep(recording(1))
    await files.keep(recording(2, suite="personas/tutor"))
    await files.remove([recording(2, suite="personas/tutor").key])
    assert [each.step for each in RecordingFiles(tmp_path).all] == [1]
    assert not (tmp_path / FOLDER / "personas" / "tutor.jsonl").exists()


def test_mistakes_name_their_lines(tmp_path: Path) -> None:
    """Nobody would find the line, or two branches' answers to one question be told apart."""
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    line = written_line(recording(1))
    (folder / "one.jsonl").write_bytes(line + b"\n\nnothing\n")
    (folder / "two.jsonl").write_bytes(line + b"\n")
    with pytest.raises(ContentError) as caught:
        RecordingFiles(tmp_path)
    broken, double = (str(problem) for problem in caught.value.problems)
    first = "evals/recordings/one.jsonl"
    assert broken == (
        f"{first}:3:1: is no recording: the line: json_invalid; remove the line and record it again"
        " with --answers record"
    )
    what = f"answers the same question as {first}:1; remove one of them"
    assert double == f"evals/recordings/two.jsonl:1:1: {what}"
