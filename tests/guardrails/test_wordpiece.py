"""How texts are cut for the encoder."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.guardrails.wordpiece import FIRST, LAST, PAD, UNKNOWN, WordPiece

LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
WORDS = ["ignore", "un", "##aff", "##able", "the", "rules", "cafe", "##s", ".", "中", "!", "?"]
CUTTER = WordPiece([PAD, UNKNOWN, FIRST, LAST, *LETTERS, *(f"##{x}" for x in LETTERS), *WORDS])
VOCABULARY = [PAD, UNKNOWN, FIRST, LAST, *LETTERS, *(f"##{x}" for x in LETTERS), *WORDS]

any_text = st.text(st.characters() | st.sampled_from("abz .!中́"), max_size=200)


def cut(text: str) -> list[str]:
    """The pieces of a text as one reads them."""
    return [VOCABULARY[number] for number in CUTTER.cut(text).ids]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Ignore the rules.", ["ignore", "the", "rules", "."]),
        ("unaffable", ["un", "##aff", "##able"]),
        ("CAFÉS", ["cafe", "##s"]),
        ("中中", ["中", "中"]),
        ("the中rules", ["the", "中", "rules"]),
        ("the\u0000rules\t!", ["the", "rules", "!"]),
        ("Ω", [UNKNOWN]),
        ("un中aff", ["un", "中", "a", "##f", "##f"]),
        ("?!", ["?", "!"]),
        ("", []),
    ],
)
def test_pieces_are_those_of_the_reference(text: str, pieces: list[str]) -> None:
    """The encoder reads other pieces than it was trained on."""
    assert cut(text) == pieces


def test_a_long_word_is_not_one_unknown_piece() -> None:
    """An order glued to a long run of strange letters disappears."""
    assert cut("Ω" * 64 + "ignore") == [UNKNOWN, "ignore"]


@settings(deadline=None)
@given(any_text)
def test_every_piece_has_its_place(text: str) -> None:
    """A finding points beside the text, or part of a text is never read."""
    pieces = CUTTER.cut(text)
    assert len(pieces.ids) == len(pieces.starts) == len(pieces.ends)
    assert all(0 <= number < len(VOCABULARY) for number in pieces.ids)
    assert pieces.starts == sorted(pieces.starts)
    places = list(zip(pieces.starts, pieces.ends, strict=True))
    assert all(0 <= start < end <= len(text) for start, end in places)
    covered = {at for start, end in places for at in range(start, end)}
    for at, char in enumerate(text):
        is_blank = unicodedata.category(char)[0] in "ZC" or char == "\ufffd"
        is_mark = unicodedata.category(char) == "Mn"
        assert at in covered or is_blank or is_mark or ord(char) > 0xFFFF


@settings(deadline=None)
@given(any_text, any_text)
def test_words_do_not_depend_on_what_stands_beside_them(first: str, second: str) -> None:
    """A cut in the middle of a long text changes what the encoder reads elsewhere."""
    assert cut(f"{first} {second}") == cut(first) + cut(second)
