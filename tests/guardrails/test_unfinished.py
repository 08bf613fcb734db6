"""What a suffix could still become, against brute force over a small alphabet."""

import itertools

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain.errors import DetectorError
from app.guardrails.shapes import Screen, Shape
from app.guardrails.syntax import parse
from app.guardrails.unfinished import written
from tests.guardrails.grammar import EDGED, Tree, matches, regex, trees

ALPHABET = "ab "
LONGEST = 4
FUTURES = [
    "".join(letters)
    for length in range(LONGEST + 1)
    for letters in itertools.product(ALPHABET, repeat=length)
]
"""Every way to go on that a pattern of that width can tell apart, and no way: the end."""


@settings(deadline=None, max_examples=1000)
@given(trees(ALPHABET), st.text(ALPHABET + "中", max_size=8))
def test_whole_text_matches_are_leftmost_longest(tree: Tree, text: str) -> None:
    """RE2, our parser and the definition disagree about what a pattern matches."""
    assert Shape(regex(tree)).scan(text, 0, is_end=True) == (matches(tree, text), len(text))


@settings(deadline=None, max_examples=1000)
@given(trees(ALPHABET), st.text(ALPHABET, max_size=5), st.text(ALPHABET + "中", max_size=6))
def test_what_is_settled_stays(tree: Tree, text: str, more: str) -> None:
    """A match is called settled, or a place closed, and a continuation changes it."""
    spans, open_at = Shape(regex(tree)).scan(text, 0, is_end=False)
    assert [span for span in matches(tree, text + more) if span[0] < open_at] == spans


@settings(deadline=None, max_examples=1000)
@given(EDGED, st.text(ALPHABET, max_size=4))
def test_what_is_open_depends_on_what_comes(tree: Tree, text: str) -> None:
    """Text is held for nothing: no continuation makes, lengthens or cancels a match there."""
    shape = Shape(regex(tree))
    assume(shape.max_match is not None and shape.max_match <= LONGEST)
    _, open_at = shape.scan(text, 0, is_end=False)
    if open_at < len(text):
        here = {
            tuple(span for span in matches(tree, text + more) if span[0] == open_at)
            for more in FUTURES
        }
        assert len(here) > 1


@settings(deadline=None, max_examples=500)
@given(st.lists(trees(ALPHABET), min_size=1, max_size=4), st.text(ALPHABET + "中", max_size=8))
def test_the_screen_never_says_less_than_the_shapes(drawn: list[Tree], text: str) -> None:
    """A screen rules out a detector that would have found something, or releases too much."""
    shapes = [Shape(regex(tree)) for tree in drawn]
    screen = Screen(shapes)
    hits, open_ = screen.look(text)
    for index, shape in enumerate(shapes):
        assert index in hits or shape.scan(text, 0, is_end=True)[0] == []
        assert index in open_ or shape.scan(text, 0, is_end=False)[1] == len(text)
        assert shape.open_at(text, 0) <= shape.scan(text, 0, is_end=False)[1]


@settings(deadline=None, max_examples=1000)
@given(
    st.sampled_from(["a+", "a.*b", r"\ba+b?", "(?:ab)+", "a{2,}$", r"a+\b"]),
    st.integers(1, 4),
    st.text("ab", max_size=9),
    st.text("ab ", max_size=6),
)
def test_a_declared_bound_is_the_longest_match(
    pattern: str, bound: int, text: str, more: str
) -> None:
    """``max_match`` lets a longer match through, misses a short one, or settles what may change."""
    shape = Shape(pattern, max_match=bound)
    whole, end = shape.scan(text + more, 0, is_end=True)
    assert end == len(text + more)
    assert all(0 < stop - start <= bound for start, stop in whole)
    spans, open_at = shape.scan(text, 0, is_end=False)
    assert [span for span in whole if span[0] < open_at] == spans
    assert len(text) - open_at <= bound


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        pytest.param("(?i)fo+", "xFOo", ([], 1), id="ignoring case, may go on"),
        pytest.param("fo+", "foo ", ([(0, 3)], 4), id="settled by what follows"),
        pytest.param(r"\bfoo\b", "中foo文", ([(1, 4)], 5), id="boundaries next to Chinese"),
        pytest.param(r"\bfoo\b", "foo", ([], 0), id="whether the word ends is not known"),
        pytest.param("foo", "xfo中", ([], 4), id="cancelled"),
        pytest.param("aba", "aba", ([(0, 3)], 3), id="a place inside a match is taken"),
        pytest.param("(?m)^x$", "a\nx", ([], 2), id="the line may go on"),
        pytest.param("(?m)^x$", "a\nx\n", ([(2, 3)], 4), id="the line has ended"),
        pytest.param(r"\Qa+\E[[:digit:]]", "a+1 a+", ([(0, 3)], 4), id="quoted, and a named class"),
        pytest.param(r"[\]x]\x41\101", "]AA", ([(0, 3)], 3), id="escapes in and out of a class"),
        pytest.param("(?s:a.)b|(?P<n>c)", "a\nbc", ([(0, 3), (3, 4)], 4), id="groups with flags"),
        pytest.param(r"\pN\p{Greek}{2}", "1\u03b2\u03b3", ([(0, 3)], 3), id="Unicode classes"),
        pytest.param("a{,2}", "a{,2}", ([(0, 5)], 5), id="braces that are no repeat"),
    ],
)
def test_syntax(pattern: str, text: str, expected: tuple[list[tuple[int, int]], int]) -> None:
    """A piece of RE2's syntax is read wrongly by our parser."""
    assert Shape(pattern).scan(text, 0, is_end=False) == expected


@pytest.mark.parametrize("pattern", [r"(?=a)", r"(a)\1", "a**", "a*", r"\b", "", r"a\Cb", "(", "^"])
def test_what_cannot_be_used_is_refused(pattern: str) -> None:
    """A pattern that cannot run in linear time, or matches nothing at all, loads."""
    with pytest.raises(DetectorError):
        Shape(pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        pytest.param("a{1,20}b", "a" * 25, 5, id="no further than it counts"),
        pytest.param("a{18,20}bc", "aaab", 4, id="near miss, not often enough to go on"),
        pytest.param("a{18,20}bc", "a" * 18 + "b", 0, id="often enough"),
        pytest.param("(?:ab){3,20}c", "ab" * 30, 20, id="longer than one code point each"),
    ],
)
def test_long_counts_are_counted(pattern: str, text: str, expected: int) -> None:
    """More is held of a long run than the pattern could still take in."""
    assert Shape(pattern).scan(text, 0, is_end=False) == ([], expected)


def test_what_is_too_large_is_held_longer_never_shorter() -> None:
    """The way out for large patterns loses soundness, or is not taken."""
    shape = Shape(r"(?:a[\pL\pN ]{900}b)")
    assert not shape.is_exact
    assert shape.scan("xa" + "c" * 1500, 0, is_end=False) == ([], 1)
    assert shape.scan("a" + "c" * 900 + "b!", 0, is_end=False) == ([(0, 902)], 903)


PIECES = st.lists(
    st.sampled_from(
        [
            *"ab.|()[]^$*+?-:,{}\n中",
            *(r"\b", r"\d", r"\W", r"\pL", r"\p{Greek}", r"\x61", r"\x{62}", r"\.", r"\Q", r"\E"),
            *(
                r"\z",
                r"\A",
                r"\\",
                r"\]",
                r"\101",
                "[^",
                "[a-b]",
                "[[:alpha:]",
                "(?:",
                "(?i)",
                "(?i:",
            ),
            *("(?s-i:", "(?m)", "(?U)", "(?P<n>", "(?<m>", "{2}", "{0,2}", "{1,}", "??", "(?="),
        ]
    ),
    max_size=9,
).map("".join)


@settings(deadline=None, max_examples=2000)
@given(PIECES, st.lists(st.text("abB1.中\n", max_size=6), max_size=4))
def test_whatever_authors_write_is_read_as_re2_reads_it_or_refused(
    pattern: str, texts: list[str]
) -> None:
    """A pattern loads as another one, or fails to load with an error that is not for authors."""
    try:
        shape = Shape(pattern)
    except DetectorError:
        return
    again = Shape(written(parse(pattern)))
    for text in texts:
        assert again.scan(text, 0, is_end=True) == shape.scan(text, 0, is_end=True)
        spans, open_at = shape.scan(text, 0, is_end=False)
        assert [s for s in shape.scan(text, 0, is_end=True)[0] if s[0] < open_at] == spans
