"""Texts come out of pictures as they went in, and nothing that is wrong with one does harm."""

import contextlib
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.imports.png_text import MAX_TEXT_BYTES, SIGNATURE, PngError, read_texts
from tests.imports.pictures import chunk, international, packed, picture, plain

KEYWORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=79)


@given(KEYWORDS, st.binary(max_size=200), st.sampled_from(range(4)))
@settings(deadline=None)
def test_a_text_comes_out_as_it_went_in(keyword: str, text: bytes, way: int) -> None:
    """A card would be lost, or read as another one."""
    made = [
        plain(keyword, text),
        packed(keyword, text),
        international(keyword, text, packs=False),
        international(keyword, text, packs=True),
    ][way]
    assert read_texts(picture(made, plain(keyword, b"second"))) == {keyword: text}


@given(st.data())
@settings(deadline=None, max_examples=120)
def test_a_damaged_picture_is_refused_and_nothing_worse(data: st.DataObject) -> None:
    """A picture from a stranger would stop the command, or be read as something else."""
    whole = picture(packed("chara", b"text" * 9), international("x", b"y", packs=True))
    at = data.draw(st.integers(0, len(whole) - 1))
    how = data.draw(st.sampled_from(["cut", "flip", "insert"]))
    if how == "cut":
        damaged = whole[:at]
    elif how == "flip":
        damaged = (
            whole[:at] + bytes([whole[at] ^ 1 << data.draw(st.integers(0, 7))]) + whole[at + 1 :]
        )
    else:
        damaged = whole[:at] + b"\0" + whole[at:]
    with pytest.raises(PngError):
        read_texts(damaged)


@given(st.lists(st.tuples(st.binary(min_size=4, max_size=4), st.binary(max_size=60)), max_size=4))
@settings(deadline=None)
def test_any_chunks_are_read_or_refused(chunks: list[tuple[bytes, bytes]]) -> None:
    """A chunk that is whole and wrong inside would end in a traceback."""
    kinds = (b"tEXt", b"zTXt", b"iTXt")
    bodies = [chunk(kind, body) for kind in kinds for _, body in chunks]
    for made in (*bodies, *[chunk(kind, body) for kind, body in chunks]):
        with contextlib.suppress(PngError):
            read_texts(picture(made))


def test_a_few_bytes_never_become_gigabytes() -> None:
    """A picture of a few kilobytes would take all of the machine's memory."""
    bomb = zlib.compress(bytes(64_000_000), 9)
    assert len(bomb) < 100_000
    with pytest.raises(PngError, match="more than"):
        read_texts(picture(chunk(b"zTXt", b"chara\0\0" + bomb)))
    with pytest.raises(PngError, match="more than"):
        read_texts(picture(plain("chara", bytes(MAX_TEXT_BYTES + 1))))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"GIF89a", "is no PNG"),
        (SIGNATURE, "ends in the middle"),
        (SIGNATURE + chunk(b"tEXt", b"a\0b") + chunk(b"IEND", b""), "does not begin"),
        (picture(chunk(b"tEXt", b"\0text")), "without a keyword"),
        (picture(chunk(b"tEXt", b"k" * 80 + b"\0text")), "without a keyword"),
        (picture(chunk(b"zTXt", b"k\0\1" + zlib.compress(b"x"))), "does not know"),
        (picture(chunk(b"zTXt", b"k\0\0" + zlib.compress(b"xyz")[:-2])), "breaks off"),
        (picture(chunk(b"zTXt", b"k\0\0nonsense")), "cannot be unpacked"),
        (picture(chunk(b"iTXt", b"k\0\2\0\0\0x")), "does not know"),
        (picture(chunk(b"iTXt", b"k\0\0\0en")), "breaks off"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, told: str) -> None:
    """Somebody could not tell a damaged picture from one without a card."""
    with pytest.raises(PngError, match=told):
        read_texts(data)
