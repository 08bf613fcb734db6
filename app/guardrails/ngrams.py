"""Linear models over hashed n-grams of words, characters and shapes.

All work is done on whole arrays, so that a kilobyte takes about a tenth of a millisecond, and the
features of a text are made once for all models that read it. Needs NumPy, and is imported only by
what builds such a model.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from app.guardrails.fold import fold

BITS = 20
"""Of a feature's index: a model has up to 2**BITS weights, of one byte each."""

CHUNK = 16_384
"""Code points whose features are made at once, which bounds the memory and the time in which no
other thread runs."""

Hashes = NDArray[np.uint32]
Places = NDArray[np.intp]
Bounds = NDArray[np.intp]
"""Starts and ends of windows, one pair a row."""

_PRIME = 0x9E3779B1
_MASK = (1 << 32) - 1
_SALTS = [
    np.uint32(salt)
    for salt in (
        0x85EBCA6B,
        0xC2B2AE35,
        0x27D4EB2F,
        0x165667B1,
        0xD3A2646D,
        0xFD7046C5,
        0xB55A4F09,
        0x8F1BBCDD,
        0xCA62C1D7,
        0x5BE0CD19,
    )
]
_BLANK, _IN_WORD, _WORD, _SIGN = range(4)
_NEWLINE = ord("\n")

TOKENS_OF = (1, 2, 3, 3, 3, 5)
"""How many tokens a feature of each kind spans: words, pairs, triples, pairs with a gap, and three
and five shapes."""
CHARS_OF = (3, 4, 5)
KINDS = len(TOKENS_OF) + len(CHARS_OF)

# Scripts that put no blanks between words: each letter counts as a word, as CJK characters do.
_UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x9FFF))
_LATIN_ENDS = 0x250


def _powers(base: int) -> Hashes:
    powers = [1]
    for _ in range(CHUNK + 1):
        powers.append(powers[-1] * base & _MASK)
    return np.array(powers, np.uint32)


@dataclass(frozen=True, slots=True)
class _Tables:
    classes: NDArray[np.uint8]
    """Of each code point of the first plane."""
    signs: Hashes
    """What each code point of the first plane reads as: signs of any width and shape are one, so
    that a text has the same features as its folded reading."""
    powers: Hashes
    inverses: Hashes


@cache
def _tables() -> _Tables:
    classes = np.full(0x10000, _SIGN, np.uint8)
    signs = np.arange(0x10000, dtype=np.uint32)
    for point in range(0x10000):
        category = unicodedata.category(chr(point))
        folded = fold(chr(point)) if category[0] in "PSZ" else ""
        if len(folded) == 1 and ord(folded) < len(signs):
            signs[point] = ord(folded)
        if category[0] in "LMN":
            is_unspaced = any(first <= point <= last for first, last in _UNSPACED)
            classes[point] = _WORD if is_unspaced else _IN_WORD
        elif category[0] in "ZC" and point != _NEWLINE:
            classes[point] = _BLANK
    return _Tables(classes[signs], signs, _powers(_PRIME), _powers(pow(_PRIME, -1, 1 << 32)))


def _lowered(text: str) -> str:
    """In small letters, code point for code point."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def _points(text: str) -> Hashes:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


@dataclass(frozen=True, slots=True)
class _Tokens:
    starts: Places
    words: Hashes
    """A hash of each word or sign, in small letters."""
    shapes: Hashes
    """What each looks like: its case, its script, and whether a blank stands before it."""


def _tokens(points: Hashes, written: Hashes, classes: NDArray[np.uint8]) -> _Tokens:
    """Words and signs. A run of one sign counts once."""
    powers, inverses = _tables().powers, _tables().inverses
    size = len(points)
    in_word = classes == _IN_WORD
    previous = np.empty(size, np.uint8)
    previous[:1] = _BLANK
    previous[1:] = np.where(points[:-1] == _NEWLINE, _BLANK, classes[:-1])
    begins = (classes != _BLANK) & ~(in_word & (previous == _IN_WORD))
    begins[1:] &= in_word[1:] | (points[1:] != points[:-1]) | (classes[1:] == _WORD)
    starts = np.flatnonzero(begins)
    ends = starts + 1
    is_word = in_word[starts]
    last_of_word = in_word.copy()
    last_of_word[:-1] &= ~in_word[1:]
    ends[is_word] = np.flatnonzero(last_of_word) + 1
    sums = np.zeros(size + 1, np.uint32)
    np.cumsum((points + np.uint32(1)) * powers[:size], out=sums[1:])
    words = (sums[ends] - sums[starts]) * inverses[starts]
    words = (words ^ (words >> np.uint32(15))) * _SALTS[0]
    capitals = np.zeros(size + 1, np.int32)
    np.cumsum((points != written) & in_word, out=capitals[1:])
    shapes = _shapes(capitals[ends] - capitals[starts], ends - starts, points[starts], is_word)
    is_glued = previous[starts] != _BLANK
    return _Tokens(starts, words, shapes * np.uint32(2) + is_glued)


def _shapes(
    capitals: NDArray[np.int32], lengths: Places, firsts: Hashes, is_word: NDArray[np.bool_]
) -> Hashes:
    case = np.where(capitals == lengths, 2, np.minimum(capitals, 1) + 2 * (capitals > 1))
    script = np.where(firsts < _LATIN_ENDS, firsts < ord("a"), (firsts >> np.uint32(7)) + 2)
    of_word = (case + 4 * script + (1 << 22)).astype(np.uint32)
    return np.where(is_word, of_word, firsts)


class Features:
    """The features of up to ``CHUNK`` code points.

    Kinds of features are words, pairs, triples, pairs with a gap, three and five shapes, and three,
    four and five characters.
    """

    __slots__ = ("_kinds", "_size", "_starts", "indexes")

    def __init__(self, text: str) -> None:
        tables = _tables()
        powers = tables.powers
        written = _points(text)
        points = _points(_lowered(text))
        first_plane = np.minimum(points, 0xFFFF)
        classes = tables.classes[first_plane]
        points = np.where(points == first_plane, tables.signs[first_plane], points)
        tokens = _tokens(points, written, classes)
        words, shapes, s = tokens.words, tokens.shapes, _SALTS
        chars = np.where(classes == _BLANK, np.uint32(33), points + np.uint32(1))
        three = chars[:-2] * powers[3] + chars[1:-1] * powers[4] + chars[2:] * powers[5]
        four = three[:-1] + chars[3:] * powers[6]
        five = four[:-1] + chars[4:] * powers[7]
        some = shapes[:-2] * s[7] + shapes[1:-1] * s[8] + shapes[2:] * s[9]
        kinds = (
            words * s[1],
            words[:-1] * s[2] + words[1:] * s[3],
            words[:-2] * s[4] + words[1:-1] * s[5] + words[2:] * s[6],
            words[:-2] * s[3] + words[2:] * s[6],
            some,
            some[:-2] * s[1] + shapes[3:-1] * s[2] + shapes[4:] * s[4],
            three * s[0],
            four * s[1],
            five * s[2],
        )
        hashes = np.concatenate(kinds)
        hashes ^= hashes >> np.uint32(16)
        hashes *= _SALTS[7]
        hashes >>= np.uint32(32 - BITS)
        self.indexes = hashes.view(np.int32)
        self._kinds = np.array([len(kind) for kind in kinds])
        self._starts = tokens.starts
        self._size = len(text)

    def edges(self, bounds: Bounds) -> Places:
        """For each kind and window, its first feature and the one past its last."""
        of_tokens = np.searchsorted(self._starts, bounds)
        spans = np.array([*TOKENS_OF, *CHARS_OF])[:, None] - 1
        edges = np.empty((KINDS, len(bounds), 2), np.intp)
        edges[: len(TOKENS_OF)] = of_tokens
        edges[len(TOKENS_OF) :] = bounds
        edges[..., 1] -= spans
        np.maximum(edges[..., 1], edges[..., 0], out=edges[..., 1])
        np.minimum(edges, self._kinds[:, None, None], out=edges)
        edges += (np.cumsum(self._kinds) - self._kinds)[:, None, None]
        return edges


class Model:
    """Weights of one byte, and what a sum of them is multiplied with and added to.

    A model with fewer weights uses the first bits of an index.
    """

    __slots__ = ("_unused", "bias", "scale", "weights")

    def __init__(self, weights: NDArray[np.int8], scale: float, bias: float) -> None:
        """Hold a model.

        Args:
            weights: As many as a power of two.
            scale: What a sum of them is multiplied with.
            bias: What is added then.

        Raises:
            ValueError: If there are more weights than indexes, or not a power of two.
        """
        if len(weights).bit_count() != 1 or len(weights) > 1 << BITS:
            raise ValueError(f"a model has 2**n weights, n at most {BITS}, not {len(weights)}")
        self._unused = BITS - len(weights).bit_length() + 1
        self.weights = weights
        self.scale = scale
        self.bias = bias

    def sums(self, features: Features, edges: Places) -> NDArray[np.float64]:
        """For each window the sum of its features' weights.

        Each kind of feature counts by the root of its number, so that longer windows do not weigh
        more.
        """
        sums = np.zeros(len(features.indexes) + 1, np.int32)
        indexes = features.indexes >> self._unused if self._unused else features.indexes
        np.cumsum(self.weights[indexes], out=sums[1:])
        counts = np.maximum(edges[..., 1] - edges[..., 0], 1)
        total = ((sums[edges[..., 1]] - sums[edges[..., 0]]) / np.sqrt(counts)).sum(axis=0)
        return np.asarray(total * self.scale + self.bias, np.float64)
