"""Text that goes round in circles is found, and songs, tables and lists are not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.domain.events import TextDelta
from app.domain.policy import Action
from app.guardrails.detector import Scope
from app.guardrails.detectors.repetition import KIND, RepetitionSettings
from app.guardrails.passage import Passage
from tests.guardrails.building import guard, plan, rule, stream, text_of
from tests.guardrails.detectors.looking import detect, look
from tests.guardrails.detectors.tables import Row, findings, rows


def full(row: Row) -> Row:
    """The row with its part repeated."""
    return {**row, "text": row["text"].replace("#", row.get("part", "") * row.get("repeat", 1))}


@pytest.mark.parametrize("row", rows("repetition", "passed"))
def test_ordinary_text_passes(row: Row) -> None:
    """A song, a table or a list would be stopped."""
    assert look(KIND, full(row)) == ()


@pytest.mark.parametrize("row", rows("repetition", "caught"))
def test_what_comes_again_and_again_is_found(row: Row) -> None:
    """A runaway answer would go on for as long as the model is paid for."""
    found = look(KIND, full(row))
    assert [finding.category for finding in found] == row["finds"]
    if "begins" in row:
        assert found[0].start == row["begins"]


@given(
    st.lists(
        st.sampled_from(["alpha", "beta", "gamma", "delta", "中", "文"]), min_size=1, max_size=8
    ),
    st.integers(9, 20),
    st.text("abc .", max_size=20),
)
@settings(deadline=None, max_examples=100)
def test_every_loop_is_found_and_cut_after_what_may_be(
    words: list[str], turns: int, before: str
) -> None:
    """A loop of some length is not seen, or is cut too early."""
    part = " ".join(words) + " "
    text = before + "| " + part * turns
    detector = KIND.build(RepetitionSettings(max_same=None, max_run=None))
    found = findings(detect(detector, Passage(text.replace(".", ","))))
    if len(part.replace(" ", "")) * turns < 40:
        return
    assert found
    assert found[-1].end >= len(text.rstrip()) - len(part)
    kept = text[: found[0].start]
    assert findings(detect(detector, Passage(kept.replace(".", ",")))) == ()


async def test_a_runaway_sentence_is_stopped_where_it_begins() -> None:
    """An answer that was good so far is withheld for its end, or the loop is streamed."""
    settings_ = {"repetition": {"max_same": None}}
    guarding = guard(plan(rule("r", settings_, Action.BLOCK)))
    pieces = ["This is fine. ", "So ", *["and on "] * 30]
    out = await stream(guarding, map(TextDelta, pieces))
    assert guarding.stops
    assert text_of(out).startswith("This is fine.")
    assert text_of(out).count("and on") <= 8


def test_what_looks_at_sentences_alone_says_so() -> None:
    """A rule would hold a whole answer for nothing, or not hold what it judges."""
    scopes = [KIND.build(RepetitionSettings(max_same=most)) for most in (None, 5)]
    assert [getattr(each, "scope", None) for each in scopes] == [Scope.SENTENCE, Scope.RESPONSE]


def test_a_limit_is_needed() -> None:
    """A rule without a limit would silently do nothing."""
    with pytest.raises(ValidationError, match="at least one of max_run"):
        RepetitionSettings(max_run=None, max_turns=None, max_same=None)


@pytest.mark.parametrize(
    ("settings", "other", "is_as_strict"),
    [
        ({}, {}, True),
        ({"max_run": 20}, {}, True),
        ({}, {"max_run": 20}, False),
        ({"max_same": None}, {}, False),
        ({}, {"max_same": None}, True),
        ({"max_turns": 3}, {"max_turns": 4, "max_same": None}, True),
    ],
)
def test_settings_are_compared(
    settings: dict[str, int], other: dict[str, int], *, is_as_strict: bool
) -> None:
    """A higher limit would pass review as no weaker."""
    compared = KIND.is_as_strict(RepetitionSettings(**settings), RepetitionSettings(**other))
    assert compared is is_as_strict
