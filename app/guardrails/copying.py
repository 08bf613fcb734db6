"""How much of one text another repeats: by its letters alone, whatever stands between them.

Blanks, punctuation, markup, digits, case and accents are left out, so that numbering, spacing,
bullets and emphasis change nothing. Letters are compared by the steps from one to the next, which a
shift of the alphabet (rot13) leaves as they are. Needs NumPy, and is imported only by what builds a
detector that compares. All work is done on whole arrays, in time linear in the text.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SEED = 9
"""Letters that have to agree in a row: about a long word, which on its own says nothing."""
_GAP = 0.3
"""What a letter between two repeated rows takes away."""

_LATIN = 26
_OTHER = 1000
_PLANE = 0xFFFF

# Scripts that write a word with a letter or two. Each counts as three, so that a row of them is as
# telling as the row of Latin letters that says the same.
_DENSE = ((0x2E80, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF))
_PER_DENSE = 3

_LEET = dict(zip("4@310!|5$7+8692lLjJ", "aaeioiisstt" + "bggz" + "iiii", strict=True))
"""What digits and signs stand for inside words. As ``1`` is i or l, those are read as one."""

_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,80}>")
_BACKSLASH = ord("\\")
_ESCAPED = np.array([ord(char) for char in "nrt"], np.uint32)

Hashes = NDArray[np.uint64]
_Mask = NDArray[np.bool_]
_SALTS = [np.uint64(salt) for salt in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)]
_SHIFT = np.uint64(31)


class Letters(NamedTuple):
    """The letters of a text."""

    values: NDArray[np.int64]
    places: NDArray[np.intp]
    """For each value, which code point of the text it comes from."""


class Stretch(NamedTuple):
    """A part of a text that repeats another."""

    weight: float
    """About how many letters agree, less what any two texts share."""
    start: int
    end: int
    """Code points."""


@cache
def _values() -> NDArray[np.int32]:
    """For each code point of the first plane, which letter it is; 0 where it is none."""
    values = np.zeros(_PLANE + 1, np.int32)
    for point in range(_PLANE):
        char = chr(point)
        if char.isalpha():
            base = unicodedata.normalize("NFKD", char)[0].lower()[0]
            is_latin = "a" <= base <= "z"
            values[point] = ord(base) - ord("a") + 1 if is_latin else _OTHER + ord(base)
    return values


@cache
def _leet_values() -> NDArray[np.int32]:
    values = _values().copy()
    for char, letter in _LEET.items():
        values[ord(char)] = ord(letter) - ord("a") + 1
    return values


def letters(text: str, *, is_leet: bool = False) -> Letters:
    """The letters of a text; what digits stand for inside words too, where it ``is_leet``.

    Neither markup tags nor the letters of escapes count.
    """
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    values = (_leet_values() if is_leet else _values())[np.minimum(points, _PLANE)]
    counts: _Mask = values > 0
    if "\\" in text:
        counts[1:] &= ~((points[:-1] == _BACKSLASH) & np.isin(points[1:], _ESCAPED))
    if "<" in text:
        for tag in _TAG.finditer(text):
            counts[tag.start() : tag.end()] = False
    places = np.flatnonzero(counts)
    return _spread(values[places].astype(np.int64), places)


def _spread(values: NDArray[np.int64], places: NDArray[np.intp]) -> Letters:
    """The same with three values for each letter of a dense script."""
    if not len(values) or values.max() < _OTHER + _DENSE[0][0]:
        return Letters(values, places)
    is_dense = np.zeros(len(values), np.bool_)
    for first, last in _DENSE:
        is_dense |= (values >= _OTHER + first) & (values <= _OTHER + last)
    times = np.where(is_dense, _PER_DENSE, 1)
    firsts = np.cumsum(times) - times
    part = np.arange(times.sum()) - np.repeat(firsts, times)
    spread = np.repeat(values, times)
    return Letters(spread + part * ((spread * 7919) % 100003 + 200000), np.repeat(places, times))


def initials(found: Letters) -> Letters:
    """The first letter of each word, which spells something where words stand for letters."""
    is_first = np.diff(found.places, prepend=-2) > 1
    return Letters(found.values[is_first], found.places[is_first])


def _hashes(values: NDArray[np.int64]) -> Hashes:
    """A hash of the steps between the letters of each row of ``SEED``."""
    if len(values) < SEED:
        return np.zeros(0, np.uint64)
    is_latin = values <= _LATIN
    steps = np.diff(values)
    steps = np.where(is_latin[1:] & is_latin[:-1], steps % _LATIN, steps + 2 * _LATIN)
    hashes = (steps.astype(np.uint64) + np.uint64(7)) * _SALTS[0]
    width = 1
    while width < SEED - 1:
        hashes = hashes[:-width] * _SALTS[1] + hashes[width:] * _SALTS[2]
        hashes ^= hashes >> _SHIFT
        width *= 2
    return hashes


@dataclass(frozen=True, slots=True)
class Original:
    """A text that others may repeat, in all the forms in which they may."""

    length: int
    """Letters."""
    _plain: Hashes
    _leet: Hashes

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return self._plain.nbytes + self._leet.nbytes

    def repeated(self, found: Letters, *, is_leet: bool = False) -> list[Stretch]:
        """The parts of a text that repeat this one."""
        known = self._leet if is_leet else self._plain
        hashes = _hashes(found.values)
        if not len(hashes) or not len(known):
            return []
        near = np.searchsorted(known, hashes)
        near[near == len(known)] = 0
        is_known = known[near] == hashes
        if not is_known.any():
            return []
        edges = np.flatnonzero(np.diff(is_known, prepend=False, append=False))
        rows = zip(edges[::2].tolist(), (edges[1::2] + SEED - 1).tolist(), strict=True)
        return [
            Stretch(weight, int(found.places[start]), int(found.places[end - 1]) + 1)
            for weight, start, end in _stretches(rows)
        ]


def original(text: str, forms: Iterable[str]) -> Original:
    """Prepare a text to compare others with.

    Args:
        text: The text.
        forms: How it may be repeated, letter for letter, the text itself among them.
    """
    plain = np.concatenate([_hashes(letters(form).values) for form in forms])
    leet = _hashes(letters(text, is_leet=True).values)
    return Original(len(letters(text).values), np.sort(plain), np.sort(leet))


def _stretches(rows: Iterable[tuple[int, int]]) -> Iterator[tuple[float, int, int]]:
    """Rows joined as long as what they add outweighs what lies between them.

    This is the local alignment of Smith and Waterman, with rows in place of letters.
    """
    weight = best = 0.0
    first = last = best_end = 0
    for start, end in rows:
        weight -= _GAP * max(start - last, 0)
        if weight <= 0:
            if best:
                yield best, first, best_end
            weight = best = 0.0
            first = start
        weight += max(end - max(start, last) - SEED, 0)
        last = end
        if weight > best:
            best, best_end = weight, end
    if best:
        yield best, first, best_end
