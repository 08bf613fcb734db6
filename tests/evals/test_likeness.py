"""Measures of likeness are what their papers say, and stay between 0 and 1."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.check_file import Measure
from app.evals.likeness import chrf, likeness, rouge_l

WORDS = st.lists(st.sampled_from(["a", "b", "c", "card", "卡"]), max_size=9)


def longest_common(ours: list[str], theirs: list[str]) -> int:
    """The textbook's table."""
    row = [0] * (len(theirs) + 1)
    for word in ours:
        before = 0
        for at, other in enumerate(theirs, 1):
            row[at], before = (
                (before + 1 if word == other else max(row[at], row[at - 1])),
                row[at],
            )
    return row[-1]


@given(WORDS, WORDS)
@settings(deadline=None)
def test_words_in_the_same_order_count(ours: list[str], theirs: list[str]) -> None:
    """The bits of the fast way would count another subsequence."""
    said, wanted = " ".join(ours), " ".join(theirs)
    if ours and theirs:
        both = len(ours) + len(theirs)
        assert rouge_l(said, wanted) == 2 * longest_common(ours, theirs) / both
    else:
        assert rouge_l(said, wanted) == float(ours == theirs)


@given(st.text(max_size=30), st.text(max_size=30))
@settings(deadline=None)
def test_likeness_is_a_share_and_full_for_the_same(ours: str, theirs: str) -> None:
    """A threshold would mean something else than the file says."""
    for measure in (Measure.CHRF, Measure.ROUGE_L):
        assert 0 <= likeness(measure, ours, [theirs]) <= 1
        assert likeness(measure, ours, [theirs, ours]) == pytest.approx(1)


def test_letters_are_counted_as_the_paper_counts() -> None:
    """Another mean of the orders, or another weight of recall."""
    # "abc" and "abd": of one letter 2 of 3 agree on both sides, of two 1 of 2, of three 0 of 1.
    assert chrf("abc", "abd") == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    # Precision 1 and recall 1/2 (one letter) : F2 = 5 * 1 * 0.5 / (4 * 1 + 0.5).
    assert chrf("a", "ab") == pytest.approx(5 * 0.5 / 4.5)
    assert chrf("a b c", "abc") == 1


def test_meaning_is_nearer_for_what_means_the_same() -> None:
    """The extra's embeddings would not be looked at."""
    pytest.importorskip("wordllama")
    good = ["Block your card in the app at once."]
    near = likeness(Measure.MEANING, "Freeze the card in the app right away.", good)
    far = likeness(Measure.MEANING, "The museum opens at nine on Sundays.", good)
    assert far < 0.3 < near
