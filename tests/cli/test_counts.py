"""Numbers of things, in words."""

import pytest

from app.cli.counts import counted


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ("problem",), "0 problems"),
        (1, ("problem",), "1 problem"),
        (2, ("problem",), "2 problems"),
        (1, ("entry", "entries"), "1 entry"),
        (21, ("entry", "entries"), "21 entries"),
    ],
)
def test_one_is_not_several(number: int, words: tuple[str, ...], said: str) -> None:
    """A command says that it found 1 problems."""
    assert counted(number, *words) == said
