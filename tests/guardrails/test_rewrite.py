"""Rewrites compose, and offsets find their way back."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.policy import Action
from app.guardrails.places import Places
from app.guardrails.rewrite import (
    JsonStrings,
    Rewrite,
    escapes,
    json_unescaped,
    last_unescaped,
    merged,
    rewritten,
)
from tests.guardrails.tables import rows

REWRITES = st.lists(
    st.tuples(
        st.integers(0, 9), st.integers(1, 4), st.sampled_from([Action.MASK, Action.PSEUDONYMIZE])
    ).map(lambda drawn: Rewrite(drawn[0], drawn[0] + drawn[1], drawn[2], "C")),
    max_size=5,
)


@pytest.mark.parametrize("row", rows("rewrite"))
def test_table(row: dict[str, Any]) -> None:
    """A rewrite, or how two of them compose, differs from the table."""
    drawn = [Rewrite(start, end, Action(act), name) for start, end, act, name in row["rewrites"]]
    made = rewritten(
        row["text"],
        merged(drawn),
        lambda category, value, _form: f"<{category}:{value}>",
        JsonStrings() if row.get("json") else None,
    )
    assert made.text == row["expect"]


@settings(deadline=None, max_examples=500)
@given(REWRITES)
def test_everything_has_its_place_in_the_original(drawn: list[Rewrite]) -> None:
    """A finding about the rewritten text points to other text of the original."""
    text = "0123456789!$%&"
    made = rewritten(text, merged(drawn), lambda _category, value, _form: "#" * len(value))
    changed = [False] * len(text)
    for rewrite in drawn:
        changed[rewrite.start : rewrite.end] = [True] * (rewrite.end - rewrite.start)
    for start in range(len(made.text)):
        first, last = made.to_original(start, start + 1)
        if made.text[start] in text:
            assert text[first:last] == made.text[start]
        else:
            assert all(changed[first:last])
    assert made.to_original(0, len(made.text)) == (0, len(text))


@settings(deadline=None, max_examples=500)
@given(REWRITES, st.randoms())
def test_the_order_of_rewrites_does_not_matter(drawn: list[Rewrite], random: Any) -> None:  # noqa: ANN401
    """Two rules give another text when they stand in another order."""
    shuffled = list(drawn)
    random.shuffle(shuffled)
    assert merged(shuffled) == merged(drawn)


def test_escapes_are_not_cut() -> None:
    """A stream is cut inside an escape, and what follows reads differently."""
    uncut = escapes(r'x\u0041\ud83d\ude00\\"', base=10)
    assert [uncut.before(point) for point in (11, 13, 17, 18, 25, 29, 30, 31)] == [
        11, 11, 17, 17, 17, 29, 29, 31,
    ]  # fmt: skip
    assert [uncut.after(point) for point in (11, 13, 18, 30)] == [11, 17, 29, 31]


UNITS = st.sampled_from(
    ["a", "u", "0041", "\\\\", "\\n", '\\"', "\\u0041", "\\ud83d\\ude00", "\\ud83d"]
)


@settings(deadline=None)
@given(st.lists(UNITS, max_size=12))
def test_what_stands_before_a_place_is_read_from_near_it(units: list[str]) -> None:
    """A pseudonym would be taken for a part of the word before it, or not be."""
    for count in range(len(units) + 1):
        read = "".join(units[:count])
        text = read + "x" + "".join(units[count:])
        assert last_unescaped(text, len(read)) == json_unescaped(read)[-1:]


SPANS = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4)), max_size=5)


@settings(deadline=None)
@given(SPANS, st.integers(0, 12), st.integers(1, 4))
def test_places_cover_and_meet(drawn: list[tuple[int, int]], start: int, width: int) -> None:
    """A pseudonym would be rewritten, or a token that nobody minted not be told."""
    spans = [(first, first + size) for first, size in drawn]
    end, places = start + width, Places(spans)
    assert places.cover(start, end) == any(a <= start and end <= b for a, b in spans)
    assert places.meet(start, end) == any(a < end and start < b for a, b in spans)
