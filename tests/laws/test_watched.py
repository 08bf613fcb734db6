"""Watching an exchange changes nothing of it, and what is said of it is what happened."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.conversation import TextPart
from app.domain.events import StreamEvent, TextDelta
from app.domain.record import Closing, Opening, Timings
from app.pipeline.answer import ExchangeEvent
from app.review.inside import inside
from app.review.marks import Did, Marked
from tests.e2e.project import write_project
from tests.guardrails.building import NOW
from tests.pipeline.watching import Watching, says, turns, watching

LAW = settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
WORDS = st.sampled_from(
    [
        "hello ",
        "ask-banned ",
        "grown-up ",
        "needs-person ",
        "a.b@mail.org ",
        'agent "fox" ',
        "中文。",
        "😀 ",
        "ghp_0123456789abcdefghijABCDEFGHIJ012345 ",
    ]
)
SAID = st.lists(WORDS, min_size=1, max_size=4).map("".join)
ANSWERS = st.lists(
    st.sampled_from(
        [
            "1. Well, ",
            "dar",
            "n. ",
            "you-should-",
            "buy ",
            "say-banned ",
            "SHOUTED ",
            "<mail>",
            "x@y.org",
            "中文。",
            "😀",
        ]
    ),
    min_size=1,
    max_size=7,
)
PERSONAS = st.sampled_from(["lexi", "conduct", "keeper", "curt"])


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watching]:
    """One pipeline for all."""
    root = write_project(tmp_path_factory.mktemp("watched") / "project", "http://127.0.0.1:9/v1")
    with watching(root) as made:
        yield made


def answer(at: Watching, pieces: list[str]) -> tuple[StreamEvent, ...]:
    """What the model says; it repeats the pseudonym of an address where ``<mail>`` stands."""
    mail = at.pseudonym("a.b@mail.org", "s")
    return says(*(mail if piece == "<mail>" else piece for piece in pieces))


def text_of(events: Sequence[ExchangeEvent]) -> str:
    """What a client sees of the answer's text."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def entries(at: Watching) -> tuple[Opening, Closing]:
    """What was recorded last, without what differs between two exchanges of the same."""
    opening, closing = at.ledger.openings[-1], at.ledger.closings[-1]
    assert opening.request_id == closing.request_id
    attempts = tuple(replace(each, took_ms=0) for each in closing.attempts)
    held = closing.held and replace(closing.held, longest_ms=0)
    return (
        replace(opening, request_id="", at=NOW),
        replace(closing, request_id="", at=NOW, timings=Timings(), attempts=attempts, held=held),
    )


@LAW
@given(st.lists(SAID, min_size=1, max_size=3), ANSWERS, PERSONAS)
def test_watching_changes_neither_answer_nor_record(
    at: Watching, said: list[str], pieces: list[str], persona: str
) -> None:
    """What an author tries out is not what users get, or is recorded otherwise."""
    asked = turns(*said, persona=persona, session="s")
    plain = at.plainly(asked, answer(at, pieces))
    recorded, calls = entries(at), at.at.backend.calls[:]
    at.at.backend.calls.clear()
    count = len(at.ledger.openings)
    seen, _ = at.watched(asked, answer(at, pieces))
    assert len(at.ledger.openings) == count + 1
    assert seen[1:-1] == plain[1:-1]
    assert entries(at) == recorded
    assert at.at.backend.calls == calls
    at.at.backend.calls.clear()


@LAW
@given(st.lists(SAID, min_size=1, max_size=3), ANSWERS, PERSONAS)
def test_what_is_said_of_it_is_what_happened(
    at: Watching, said: list[str], pieces: list[str], persona: str
) -> None:
    """An author is shown a prompt that no model saw, or an answer that no user got."""
    at.at.backend.calls.clear()
    asked = turns(*said, persona=persona, session="s")
    events = answer(at, pieces)
    seen, witness = at.watched(asked, events)
    assert [each.event for each in witness.left] == seen
    assert [each.conversation for each in witness.sent] == at.at.backend.calls
    for each in witness.sent:
        came = [one.event for one in each.came]
        assert came == list(events)[: len(came)]
    assert (witness.opening, witness.closing) == (at.ledger.openings[-1], at.ledger.closings[-1])
    told = inside(witness, at.at.loaded.catalog)
    for text, passed in zip(said, told.said, strict=True):
        assert passed.before.text == text
        assert unchanged(passed.before, REWRITTEN) == unchanged(passed.after, REWRITTEN)
    if witness.sent:
        parts = [part for m in witness.sent[0].conversation.messages[1:] for part in m.parts]
        assert parts == [TextPart(each.after.text, each.path) for each in told.said]
    for sent, attempt in zip(witness.sent, told.answered, strict=True):
        for passed in attempt:
            assert passed.before.text == text_of([each.event for each in sent.came])
            written = unchanged(passed.before, REWRITTEN | {Did.RESTORED} | HIDDEN)
            assert written == unchanged(passed.after, REWRITTEN | {Did.RESTORED, Did.ADDED})
    if told.answered:
        assert told.answered[-1][0].after.text == text_of(seen)


REWRITTEN = {Did.MASKED, Did.PSEUDONYMIZED}
HIDDEN = {Did.WITHHELD, Did.ESCALATED, Did.BLOCKED}


def unchanged(marked: Marked, changed: set[Did]) -> str:
    """A text without the pieces whose marks say that they were changed."""
    text, at, kept = marked.text, 0, []
    for mark in marked.marks:
        assert at <= mark.start < mark.end <= len(text)
        kept.append(text[at : mark.end if mark.did not in changed else mark.start])
        at = mark.end
    return "".join([*kept, text[at:]])
