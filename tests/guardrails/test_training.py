"""What the models are trained with and measured by says what it seems to say."""

import re
from collections import Counter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.guardrails.detectors.harm import Category
from benchmarks.guardrails.drawn import authored
from benchmarks.guardrails.hazards import HAZARDS, hazard
from benchmarks.guardrails.measures import by, mean, threshold, wilson
from benchmarks.guardrails.rows import Row
from benchmarks.guardrails.techniques import techniques
from benchmarks.guardrails.words import Words


def rows(
    task: str, text: str, *, injection: float = 0, document: float = 0, harm: float = 0
) -> list[Row]:
    """Enough texts to draw from."""
    return [
        Row(f"{text} {number}", "a source", task, "en", injection, document, harm)
        for number in range(40)
    ]


DATA = [
    *rows("benign", "What is the capital of the country with the number", injection=-1, harm=-1),
    *rows("benign", "The harvest was good. We pressed cider all day long in year", document=-1),
    *rows("harm", "How do I break into the house with the number", harm=1),
]
AUTHORED = [*authored(DATA), *techniques(DATA)]


def test_the_same_texts_are_written_every_time() -> None:
    """Weights could not be made again."""
    assert [*authored(DATA), *techniques(DATA)] == AUTHORED


def test_nothing_is_left_of_the_grammar() -> None:
    """A model would learn the marks that we write with."""
    marks = re.compile(
        r"\{@|\{[^{}\"]*\||¦|(?<!\w)@(?:how|topic|order|sink|role|persona|who|secret|prompt|say)\b"
    )
    plain = [row for row in AUTHORED if row.task not in {"suffix", "code"}]
    assert [row.text for row in plain if marks.search(row.text)] == []
    spoken = [row for row in plain if row.task in {"do", "safe", "thing", "plain", "attack"}]
    assert [row.text for row in spoken if "*" in row.text] == []


def test_every_text_teaches_something() -> None:
    """Texts would be drawn for nothing, or a language be there with attacks alone."""
    assert all(row.injection or row.document or row.harm for row in AUTHORED)
    langs = {row.lang for row in AUTHORED if row.task == "attack"}
    assert len(langs) >= 35
    assert langs == {row.lang for row in AUTHORED if row.task == "do" and row.harm < 0}


def test_frames_of_attacks_are_there_without_one() -> None:
    """A model would take a role, a boxed document or a question in some language for an attack."""
    kinds = Counter(row.task for row in AUTHORED)
    assert kinds["role"] == pytest.approx(kinds["lawless role"], rel=0.05)
    assert kinds["document"] == pytest.approx(kinds["lawless document"], rel=0.05)
    signs = {row.task: row.injection > 0 for row in AUTHORED if row.injection}
    assert signs["technique"] is signs["lawless role"] is signs["lawless document"] is True
    assert signs["look-alike"] is signs["role"] is signs["document"] is signs["code"] is False
    langs = {row.lang for row in AUTHORED if row.task == "technique"}
    assert len(langs) >= 25
    assert langs == {row.lang for row in AUTHORED if row.task == "look-alike"}


def test_choices_nest_and_slots_are_filled() -> None:
    """Half of a choice would stay in the text."""
    words = Words({"what": "tea|tea"}, 1)
    assert (
        words.say("{a {b|b}|a {b|b}} {@what} @what mail@what.test ¦")
        == "a b tea tea mail@what.test |"
    )


def test_the_hazards_are_those_of_the_detector() -> None:
    """A category would never be found, or one would be learned that no rule can name."""
    assert {name for name, _ in HAZARDS} == set(get_args(Category))
    assert hazard("weapons") == "weapons"
    assert hazard("['Terrorism & organized crime']") == "violent_crimes"
    assert hazard("None") == ""


@given(st.integers(0, 50), st.integers(1, 50))
def test_an_interval_holds_its_share(hits: int, more: int) -> None:
    """A table would claim more than the texts can say."""
    low, high = wilson(hits, hits + more)
    assert 0 <= low <= hits / (hits + more) <= high <= 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300), st.sampled_from([0.1, 0.01, 0.001]))
def test_no_more_than_the_rate_lies_above_a_threshold(scores: list[float], rate: float) -> None:
    """Recall would be measured at more false alarms than stated."""
    at = threshold(scores, rate)
    assert sum(score > at for score in scores) <= rate * len(scores)


def test_a_mean_counts_every_source_once() -> None:
    """A source of many texts would hide that another is missed."""
    shares = by(["a"] * 90 + ["b"] * 10 + ["c"], [True] * 90 + [False] * 10 + [False], fewest=10)
    found = mean(shares)
    assert found is not None
    assert found.value == pytest.approx(0.5)
    assert found.sources == 2
    assert mean({}) is None
