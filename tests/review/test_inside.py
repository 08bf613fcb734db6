"""What is told of a watched exchange: which rule, at which score, by which line of which file."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from app.domain.decision import Outcome
from app.domain.errors import AccessError, BackendError, BackendProblem, RequestError
from app.domain.events import StreamEvent, TextDelta
from app.domain.policy import Action
from app.pipeline.answer import Closed, Stopped
from app.review.inside import Inside, inside
from app.review.marks import Did, Marked
from tests.e2e.project import write_project
from tests.pipeline.watching import Watching, says, turns, watching


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of this module."""
    return write_project(tmp_path_factory.mktemp("inside") / "project", "http://127.0.0.1:9/v1")


@pytest.fixture(scope="module")
def at(root: Path) -> Iterator[Watching]:
    """One pipeline for all."""
    with watching(root) as made:
        yield made


def told(at: Watching, *said: str, answer: Sequence[str] = ("Fine.",), **more: str) -> Inside:
    """What is told of an exchange."""
    _, witness = at.watched(turns(*said, **more), says(*answer))
    return inside(witness, at.at.loaded.catalog)


def pieces(marked: Marked) -> list[tuple[Did, str]]:
    """The marks of a text with what they are on."""
    return [(mark.did, marked.text[mark.start : mark.end]) for mark in marked.marks]


def test_a_rule_is_told_with_the_line_that_says_so(at: Watching, root: Path) -> None:
    """A reader is sent to a line that says something else, or to none."""
    (note,) = told(at, "Say it: ask-banned").notes
    lines = (root / note.source.file).read_text("utf-8").splitlines()
    assert "then: block" in lines[note.source.line - 1]
    assert "banned-question" in lines[note.source.line - 4]
    assert (note.rule, note.action, note.detector) == ("banned-question", Action.BLOCK, "words")
    assert (note.score, note.threshold) == (1.0, 0.0)
    assert (note.path, note.start, note.end) == ("messages[0].content", 8, 18)


def test_both_ways_of_a_pseudonym_are_marked(at: Watching) -> None:
    """An author cannot see what the model saw in place of a value, or that it came back."""
    mail = at.pseudonym("a.b@mail.org", "one")
    seen = told(at, "To a.b@mail.org 😀", answer=["I wrote to ", mail, "."], session="one")
    (said,), ((answered,),) = seen.said, seen.answered
    assert pieces(said.before) == [(Did.PSEUDONYMIZED, "a.b@mail.org")]
    assert pieces(said.after) == [(Did.PSEUDONYMIZED, mail)]
    assert said.after.text == f"To {mail} 😀"
    assert pieces(answered.before) == [(Did.RESTORED, mail)]
    assert pieces(answered.after) == [(Did.RESTORED, "a.b@mail.org")]


def test_what_was_held_back_is_told_with_how_long_it_waited(at: Watching) -> None:
    """An author cannot tell why an answer came late, or lost its end."""
    seen = told(at, "Hi", answer=["1. A dar", "n thing. ", "say-", "banned and more"])
    ((answered,),) = seen.answered
    assert pieces(answered.before) == [
        (Did.MASKED, "darn"),
        (Did.BLOCKED, "say-banned"),
        (Did.WITHHELD, " and more"),
    ]
    assert pieces(answered.after) == [(Did.MASKED, "[removed]")]
    assert [answered.after.text[wait.start : wait.end] for wait in seen.waits] == [
        "1. A ",
        "[removed] thing.",
        " ",
    ]
    assert all(wait.waited_ms >= 0 for wait in seen.waits)


def test_each_attempt_at_an_answer_is_told(at: Watching) -> None:
    """A retry is invisible, so that an answer takes twice as long for no reason that one sees."""
    seen = told(at, "Hi", answer=["No number."], persona="conduct")
    assert [[text.before.text for text in attempt] for attempt in seen.answered] == [
        ["No number."],
        ["No number."],
    ]
    assert pieces(seen.answered[0][0].before) == [(Did.WITHHELD, "No number.")]
    assert pieces(seen.answered[1][0].after) == [(Did.ADDED, " (unnumbered)")]
    assert [sent.attempt for sent in seen.sent] == [0, 1]


def test_marks_that_overlap_become_one_row_of_places(at: Watching) -> None:
    """Two rules about one word would show it twice."""
    seen = told(at, "grown-up ask-banned grown-up")
    assert pieces(seen.said[0].before) == [
        (Did.FLAGGED, "grown-up"),
        (Did.BLOCKED, "ask-banned"),
        (Did.FLAGGED, "grown-up"),
    ]
    assert [len(mark.notes) for mark in seen.said[0].before.marks] == [1, 1, 1]


def test_a_model_that_fails_leaves_what_it_said_so_far(at: Watching) -> None:
    """An error hides what was sent before it."""
    events: list[StreamEvent | Exception] = [TextDelta("One. ")]
    events.append(BackendError(BackendProblem.TIMEOUT, "too late"))
    with pytest.raises(BackendError):
        at.watched(turns("Hi"), events)
    assert at.ledger.closings[-1].error == "timeout"


def test_another_revision_answers_and_is_named_in_the_record(at: Watching) -> None:
    """A trial of yesterday's files is recorded as one of today's."""
    loaded = at.at.loaded
    other = replace(loaded, catalog=replace(loaded.catalog, digest="sha256:other"))
    events, _ = at.watched(turns("Hi"), says("Fine."), loaded=other)
    assert at.ledger.openings[-1].catalog == "sha256:other"
    assert isinstance(events[-1], Closed)
    assert events[-1].summary.catalog == "sha256:other"


def test_another_way_to_a_model_is_one_that_was_started(at: Watching) -> None:
    """A trial ends with a stack, or asks a model that this gateway does not know."""
    routes = at.at.loaded.routes
    _, witness = at.watched(turns("Hi"), says("Fine."), route=routes["hurried"])
    assert [sent.backend for sent in witness.sent] == ["impatient"]
    assert at.ledger.openings[-1].route == "hurried"
    target = replace(routes["hurried"].targets[0], backend="elsewhere")
    nowhere = replace(routes["hurried"], targets=(target,))
    with pytest.raises(RequestError) as caught:
        at.watched(turns("Hi"), says("Fine."), route=nowhere)
    assert "elsewhere" in str(caught.value)


def test_a_key_may_try_no_more_than_it_may_ask(at: Watching) -> None:
    """The console is a way round what a key may do."""
    asked = turns("grown-up")
    looser = replace(asked, wishes=replace(asked.wishes, audience="professional"))
    with pytest.raises(AccessError):
        at.watched(looser, says("Fine."))
    events, _ = at.watched(replace(asked, wishes=replace(asked.wishes, audience="minor")), says())
    assert [e.outcome for e in events if isinstance(e, Stopped)] == [Outcome.BLOCK]
