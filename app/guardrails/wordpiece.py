"""Cuts a text into the pieces of an uncased BERT vocabulary, and says where each one stood.

What comes out equals the reference tokenizer's, but for one thing: a word of more than 64 letters
is cut into several instead of becoming one unknown piece, so that nothing is hidden by length.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

PAD, UNKNOWN, FIRST, LAST = "[PAD]", "[UNK]", "[CLS]", "[SEP]"

_LONGEST_WORD = 64
_LONGEST_PIECE = 24
_REMEMBERED = 20_000
_PLANE = 0x10000
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"


@cache
def _words() -> re.Pattern[str]:
    """A Chinese character, a sign, or a run of anything else that is no blank and no control."""
    points = [chr(point) for point in range(_PLANE)]
    signs = [p for p in points if unicodedata.category(p)[0] == "P" or p in "$+<=>^`|~"]
    blanks = [p for p in points if unicodedata.category(p)[0] in "ZC" or p == "\ufffd"]
    sign, blank = (re.escape("".join(chars)) for chars in (signs, blanks))
    return re.compile(rf"[{_HAN}{sign}]|[^{_HAN}{sign}{blank}]{{1,{_LONGEST_WORD}}}")


@dataclass(frozen=True, slots=True)
class Pieces:
    """A text in pieces: for each its number, and the start and end of the word it is of."""

    ids: list[int]
    starts: list[int]
    ends: list[int]


class WordPiece:
    """The vocabulary, one piece a line, in the order of their numbers."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._numbers = {piece: number for number, piece in enumerate(vocabulary)}
        self.pad, self.unknown, self.first, self.last = (
            self._numbers[special] for special in (PAD, UNKNOWN, FIRST, LAST)
        )
        self._known: dict[str, list[int]] = {}

    def cut(self, text: str) -> Pieces:
        """The text's pieces, in order."""
        ids: list[int] = []
        starts: list[int] = []
        ends: list[int] = []
        for match in _words().finditer(text):
            of_word = self._of_word(match[0])
            ids += of_word
            starts += [match.start()] * len(of_word)
            ends += [match.end()] * len(of_word)
        return Pieces(ids, starts, ends)

    def _of_word(self, word: str) -> list[int]:
        known = self._known.get(word)
        if known is None:
            known = self._split(_plain(word))
            if len(self._known) < _REMEMBERED:
                self._known[word] = known
        return known

    def _split(self, word: str) -> list[int]:
        """The longest piece first, again and again; one unknown where something fits nowhere."""
        ids: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(min(len(word), start + _LONGEST_PIECE), start, -1):
                number = self._numbers.get(prefix + word[start:end])
                if number is not None:
                    break
            else:
                return [self.unknown]
            ids.append(number)
            start = end
        return ids


def _plain(word: str) -> str:
    """In small letters, without accents."""
    apart = unicodedata.normalize("NFD", word.lower())
    return "".join(char for char in apart if unicodedata.category(char) != "Mn")
