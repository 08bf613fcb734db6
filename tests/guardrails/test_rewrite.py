"""Rewrites compose, and offsets find their way back."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.policy import Action
from app.guardrails.rewrite import JsonStrings, Rewrite, escapes, merged, rewritten
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
