"""The estimate of tokens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.tokens import estimate_tokens, token_units


@settings(deadline=None, max_examples=300)
@given(st.text(), st.text())
def test_the_estimate_does_not_depend_on_how_a_text_is_cut(first: str, second: str) -> None:
    """The same prompt is estimated in two ways, at load and in a request."""
    assert token_units(first) + token_units(second) == token_units(first + second)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param("", 0, id="nothing"),
        pytest.param("a", 1, id="a part of a token is one"),
        pytest.param("Explain the clause.", 5, id="English"),
        pytest.param("请解释这个条款。", 7, id="Chinese"),
        pytest.param("Объясни пункт", 6, id="Cyrillic"),
    ],
)
def test_the_estimate_of_a_text(text: str, tokens: int) -> None:
    """The formula is not the documented one."""
    assert estimate_tokens(text) == tokens
