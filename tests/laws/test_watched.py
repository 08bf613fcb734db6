"""Watching an exchange changes nothing of it, and what is said of it is what happened."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.domain.errors import BackendError, BackendProblem
from app.domain.events import Finish, FinishReason, ReasoningDelta, StreamEvent, TextDelta
from app.pipeline.answer import ExchangeEvent, Opened, Stopped
from app.pipeline.witness import Witness
from app.review.inside import Inside, inside
from app.review.marks import Did, Marked
from tests.e2e.project import write_project
from tests.pipeline.watching import Watching, says, turns, watching

LAW = settings(
    deadline=None,
    max_examples=150,
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
    return says(*(at.token if piece == "<mail>" else piece for piece in pieces))


def text_of(events: list[ExchangeEvent]) -> str:
    """What a client sees of the answer's text."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def alike(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry without what differs between two exchanges of the same."""
    drop = {"request_id", "at", "took_ms", "session", "digests", "draw"}
    return {key: _alike(value, drop) for key, value in entry.items() if key not in drop}


def _alike(value: object, drop: set[str]) -> object:
    if isinstance(value, dict):
        timings = {"input_ms", "first_token_ms", "total_ms"}
        return {k: _alike(v, drop) for k, v in value.items() if k not in drop | timings}
    return [_alike(each, drop) for each in value] if isinstance(value, list) else value


@LAW
@given(st.lists(SAID, min_size=1, max_size=3), ANSWERS, PERSONAS)
def test_watching_changes_neither_answer_nor_record(
    at: Watching, said: list[str], pieces: list[str], persona: str
) -> None:
    """What an author tries out is not what users get, or is recorded otherwise."""
    asked = turns(*said, persona=persona, session="s")
    plain = at.plainly(asked, answer(at, pieces))
    told = at.newest()
    seen, _ = at.watched(asked, answer(at, pieces))
    record = at.newest()
    assert [e for e in seen[1:-1]] == plain[1:-1]
    assert record.request_id != told.request_id
    assert alike(record.opening) == alike(told.opening)
    assert alike(record.closing) == alike(told.closing)
