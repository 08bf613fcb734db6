"""Read a text as a model would: without what is invisible, with look-alike letters made Latin."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Reading(NamedTuple):
    """Another reading of a text."""

    text: str
    starts: Sequence[int] | None
    """For each code point, where it begins in the text that was read; none where they agree."""
    ends: Sequence[int] | None
    """For each code point, where it ends in the text that was read."""


# Letters of other scripts that look like a Latin one, as hexadecimal code points: written so,
# because the letters themselves cannot be told apart in an editor. Drawn from how they look
# (Cyrillic, Greek, Armenian, Cherokee, Coptic, phonetic letters, small capitals), as UTS 39 does.
_LOOK_ALIKES = {
    "A": "0391 0410 13AA 1D00",
    "B": "0392 0412 13F4 0299",
    "C": "03F9 0421 13DF 1D04 2CA4",
    "D": "13A0 1D05",
    "E": "0395 0415 13AC 1D07 0401",
    "F": "03DC A730",
    "G": "050C 13C0 0262",
    "H": "0397 041D 13BB 029C",
    "I": "0399 0406 04C0 2C92 026A",
    "J": "0408 037F 13AB 1D0A",
    "K": "039A 041A 13E6 1D0B",
    "L": "053C 13DE 029F",
    "M": "039C 041C 13B7 1D0D 2C98",
    "N": "039D 2C9A 0274",
    "O": "039F 041E 0555 2C9E 1D0F",
    "P": "03A1 0420 13E2 2CA2 1D18",
    "Q": "051A",
    "R": "13A1 0280",
    "S": "0405 054F 13DA A731",
    "T": "03A4 0422 13A2 1D1B 2CA6",
    "U": "054D 1D1C",
    "V": "0474 13D9 1D20",
    "W": "051C 13B3 1D21",
    "X": "03A7 0425 2CAC",
    "Y": "03A5 0423 04AE 13BD 028F 2CA8",
    "Z": "0396 13C3 1D22",
    "a": "03B1 0430 0251 0250",
    "b": "0432 0184 042C 044C 0253",
    "c": "0441 03F2 2CA5",
    "d": "0501 0257",
    "e": "0435 0451 03B5 0454 212E 04BD",
    "f": "0493 0192 03DD",
    "g": "0581 0261 0260",
    "h": "04BB 0570 0266 043D",
    "i": "0456 0457 03B9 0131 0269 13A5",
    "j": "0458 03F3",
    "k": "043A 03BA 0199",
    "l": "04CF 026B 01C0",
    "m": "043C 0271",
    "n": "03B7 043F 0578 057C 0273",
    "o": "043E 03BF 0585 03C3 2C9F 0275",
    "p": "0440 03C1 2CA3 01A5",
    "q": "051B 0566 02A0",
    "r": "0433 0491 027C",
    "s": "0455 0282",
    "t": "0442 03C4 01AD",
    "u": "03C5 0438 057D 028B",
    "v": "03BD 0475",
    "w": "051D 03C9 0448 0461",
    "x": "0445 03C7 04B3",
    "y": "0443 03B3 04AF 01B4",
    "z": "0290 01B6",
    "-": "2010 2011 2012 2013 2014 2015 2212 02D7",
    "'": "2018 2019 201A 201B 2032 02B9 02BC",
    '"': "201C 201D 201E 201F 2033",
    "/": "2044 2215 29F8",
    ":": "2236 0589 A789",
    " ": "2800",
}

# Letters in circles and squares that NFKC leaves alone, and the regional indicators that flags are
# made of: (first, last, what the first one stands for).
_LETTER_RUNS = (
    (0x1F150, 0x1F169, "A"),
    (0x1F170, 0x1F189, "A"),
    (0x1F1E6, 0x1F1FF, "A"),
    (0xE0020, 0xE007E, " "),  # tag characters: invisible copies of ASCII
)

# Invisible, but neither format characters (Cf) nor marks: the Hangul fillers and the Khmer vowels.
_FILLERS = frozenset({0x115F, 0x1160, 0x3164, 0xFFA0, 0x17B4, 0x17B5})

# Marks that are laid over or under a letter to disguise it. Vowel signs of scripts that need their
# marks to be read (Indic, Arabic, Hebrew, Thai) are not among them.
_OVERLAYS = (
    (0x0300, 0x036F),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE20, 0xFE2F),
)
_VARIATION_SELECTORS = ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))

_CACHED_BELOW = 0x20000
_FIRST_UNCACHED = chr(_CACHED_BELOW)


def _ranges_hold(ranges: Sequence[tuple[int, int]], point: int) -> bool:
    return any(first <= point <= last for first, last in ranges)


def _stands_for() -> dict[int, str]:
    latin = {
        int(point, 16): letter
        for letter, points in _LOOK_ALIKES.items()
        for point in points.split()
    }
    for first, last, letter in _LETTER_RUNS:
        latin |= {point: chr(ord(letter) + point - first) for point in range(first, last + 1)}
    return latin


def is_invisible(point: int) -> bool:
    """Whether a code point leaves no trace on a screen, or only dresses up the letter before it."""
    return (
        point in _FILLERS
        or _ranges_hold(_VARIATION_SELECTORS, point)
        or unicodedata.category(chr(point)) == "Cf"
    )


class _Fold(dict[int, str]):
    """From code point to what it is read as, filled as code points come by.

    Code points beyond the first two planes are not kept, so that a text cannot fill the memory.
    """

    def __init__(self) -> None:
        super().__init__()
        self._latin = _stands_for()
        self.uneven: set[str] = set()
        """Code points below the limit that came by and are not read as exactly one."""

    def __missing__(self, point: int) -> str:
        folded = self._fold(point)
        if point < _CACHED_BELOW:
            if len(folded) != 1:
                self.uneven.add(chr(point))
            self[point] = folded
        return folded

    def _fold(self, point: int) -> str:
        if point < 0x80:  # noqa: PLR2004  # ASCII stays as it is
            return chr(point)
        if 0xD800 <= point <= 0xDFFF:  # noqa: PLR2004  # half a surrogate pair is no character
            return "\ufffd"
        if point in self._latin:
            return self._latin[point]
        composed = unicodedata.normalize("NFKC", chr(point))
        return "".join(
            self._latin.get(ord(char), char)
            for char in composed
            if not (is_invisible(ord(char)) or _ranges_hold(_OVERLAYS, ord(char)))
        )


_FOLD = _Fold()
_PIECE = 4_096


def fold(text: str) -> str:
    """The text without invisible characters and with look-alikes made Latin.

    Each code point is read on its own: the fold of a prefix is a prefix of the fold, which is what
    lets a stream be read as it comes. ASCII stays as it is. A term to be looked for in folded text
    must be folded too.
    """
    return text if text.isascii() else translated(text, _FOLD)


def translated(text: str, table: Mapping[int, str | int | None]) -> str:
    """``text.translate(table)``, in parts: a call keeps all other threads until it is done."""
    return "".join([piece.translate(table) for piece in _pieces(text)])


def folded_reading(text: str) -> Reading | None:
    """The folded text with its offsets; none where it does not differ."""
    if text.isascii():
        return None
    folded = translated(text, _FOLD)
    if folded == text:
        return None
    if len(folded) == len(text) and all(map(_is_even, _pieces(text))):
        return Reading(folded, None, None)
    origins = [at for at, char in enumerate(text) for _ in _FOLD[ord(char)]]
    return Reading(folded, origins, [at + 1 for at in origins])


def _pieces(text: str) -> list[str]:
    return [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)]


def _is_even(piece: str) -> bool:
    """Whether each code point becomes one."""
    return _FOLD.uneven.isdisjoint(piece) and max(piece) < _FIRST_UNCACHED
