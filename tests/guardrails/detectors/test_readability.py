"""Texts that are too hard or too simple to read are found."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.guardrails.detectors.readability import (
    KIND,
    ReadabilitySettings,
    chinese_measures,
    english_grade,
    syllables,
)
from tests.guardrails.detectors.looking import check_caught, look
from tests.guardrails.detectors.tables import Row, rows


@pytest.mark.parametrize("row", rows("readability", "passed"))
def test_what_reads_well_passes(row: Row) -> None:
    """A good answer would be stopped or sent back."""
    assert look(KIND, row) == ()


@pytest.mark.parametrize("row", rows("readability", "caught"))
def test_what_is_out_of_bounds_is_found(row: Row) -> None:
    """Readers would get what they cannot read."""
    check_caught(KIND, row)


WORDS = {
    1: "the make baked eye trees whole rule lives reached played you",
    2: "table little wanted added boxes ages create science nation special being quiet poem people "
    "business technique sometimes therefore",
    3: "area medium studying idea understand agreement video guarantee",
    4: "society information usually january geography experience variety",
    5: "capitalism readability organization",
    6: "responsibility",
}


@pytest.mark.parametrize(
    ("word", "count"), [(word, count) for count, words in WORDS.items() for word in words.split()]
)
def test_syllables_are_counted(word: str, count: int) -> None:
    """Grades would be off for every text."""
    assert syllables(word) == count


def test_the_grade_is_flesch_and_kincaids() -> None:
    """Bounds that people know from elsewhere would mean something else here."""
    text = "The cat sat on the mat with a hat. " * 4
    assert english_grade(text) == pytest.approx(0.39 * 9 + 11.8 * 1 - 15.59)
    text = "The tiger sat on the table with a paper. " * 4
    assert english_grade(text) == pytest.approx(0.39 * 9 + 11.8 * 12 / 9 - 15.59)


def test_a_long_row_of_full_stops_comes_to_an_end() -> None:
    """A text of nothing else would keep the process for minutes."""
    text = "Read on " * 40 + "." * 500_000 + "q"
    assert english_grade(text) == pytest.approx(27.8, abs=1)
    assert english_grade("The cat sat on the mat with a hat... " * 4) is not None


def test_chinese_is_measured_by_sentence_and_character() -> None:
    """Bounds would mean something else than the page says."""
    assert chinese_measures("我们今天去看电影吧。" * 7) == (9, 0)
    length, share = chinese_measures("我们今天去看魑魅吧；" * 7) or (0, 0)
    assert length == 9
    assert share == pytest.approx(2 / 9)


@given(st.text(max_size=300))
@settings(deadline=None, max_examples=100)
def test_any_text_is_measured_or_not_told(text: str) -> None:
    """Odd texts would make the check fail."""
    for each in (text, text + " the cat is on the mat" * 6, text + "我们今天去看电影吧" * 8):
        grade = english_grade(each)
        assert grade is None or grade > -15.59
        measured = chinese_measures(each)
        assert measured is None or (measured[0] > 0 and 0 <= measured[1] <= 1)


def test_a_bound_is_needed() -> None:
    """A rule without a bound would silently do nothing."""
    with pytest.raises(ValidationError, match="at least one of max_grade"):
        ReadabilitySettings()


@pytest.mark.parametrize(
    ("settings", "other", "is_as_strict"),
    [
        ({"max_grade": 8}, {"max_grade": 8}, True),
        ({"max_grade": 9}, {"max_grade": 8}, False),
        ({"max_grade": 8, "min_grade": 2}, {"max_grade": 9}, True),
        ({"min_grade": 1}, {"min_grade": 2}, False),
        ({"min_grade": 3}, {"min_grade": 2}, True),
        ({"max_grade": 3}, {"max_sentence_chars": 20}, False),
        ({"max_rare_share": 0.1}, {"max_rare_share": 0.2}, True),
    ],
)
def test_settings_are_compared(
    settings: dict[str, float], other: dict[str, float], *, is_as_strict: bool
) -> None:
    """A wider bound would pass review as no weaker."""
    compared = KIND.is_as_strict(ReadabilitySettings(**settings), ReadabilitySettings(**other))
    assert compared is is_as_strict
