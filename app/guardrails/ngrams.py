"""A linear model over hashed n-grams of words and characters, read in windows.

All work is done on whole arrays, so that a kilobyte takes about a tenth of a millisecond. Needs
NumPy, and is imported only by what builds such a model.
"""

import json
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

BITS = 18
"""Of a feature's index: the model has 2**BITS weights, of one byte each."""

WINDOW = 512
"""Code points that are judged together. Longer texts are read in windows that half overlap, so
that an instruction does not drown in the document around it."""
STEP = WINDOW // 2

_CHUNK = 127 * STEP
"""Code points whose features are made at once, which bounds the memory."""
LANE = _CHUNK + WINDOW
"""More than the features of one kind that a chunk has."""
KINDS = 7

Hashes = NDArray[np.uint64]
Positions = NDArray[np.intp]

_PRIME = 0x9E3779B97F4A7C15
_SALTS = [
    np.uint64(salt)
    for salt in (
        0xBF58476D1CE4E5B9,
        0x94D049BB133111EB,
        0xD6E8FEB86659FD93,
        0xA0761D6478BD642F,
        0xE7037ED1A0B428DB,
        0x8EBC6AF09C88C6E3,
        0x589965CC75374CC3,
        0x1D8E4E27C57F3B1D,
    )
]
_LANES = np.arange(KINDS)[:, None, None] * LANE
_BLANK, _IN_WORD, _WORD, _SIGN = range(4)

# Scripts that put no blanks between words: each letter counts as a word, as CJK characters do.
_UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x9FFF))


def _powers(base: int) -> Hashes:
    powers = [1]
    for _ in range(LANE):
        powers.append(powers[-1] * base & (1 << 64) - 1)
    return np.array(powers, np.uint64)


@cache
def _tables() -> tuple[NDArray[np.uint8], Hashes, Hashes]:
    """The class of each code point of the first plane, and powers of the prime and its inverse."""
    classes = np.full(0x10000, _SIGN, np.uint8)
    for point in range(0x10000):
        category = unicodedata.category(chr(point))
        if category[0] in "LMN":
            is_unspaced = any(first <= point <= last for first, last in _UNSPACED)
            classes[point] = _WORD if is_unspaced else _IN_WORD
        elif category[0] in "ZC" and point != ord("\n"):
            classes[point] = _BLANK
    return classes, _powers(_PRIME), _powers(pow(_PRIME, -1, 1 << 64))


def _lowered(text: str) -> str:
    """In small letters, code point for code point."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def _index(hashes: Hashes) -> Positions:
    mixed = (hashes ^ (hashes >> np.uint64(31))) * _SALTS[7]
    return (mixed >> np.uint64(64 - BITS)).astype(np.intp)


def _tokens(points: NDArray[np.uint32], classes: NDArray[np.uint8]) -> tuple[Positions, Hashes]:
    """Where words and signs begin, and a hash of each. A run of one sign counts once."""
    _, powers, inverses = _tables()
    before = np.concatenate(([np.uint8(_BLANK)], classes[:-1]))
    repeats = np.concatenate(([False], points[1:] == points[:-1]))
    in_word = classes == _IN_WORD
    begins = (in_word & (before != _IN_WORD)) | (classes == _WORD) | ((classes == _SIGN) & ~repeats)
    starts = np.flatnonzero(begins)
    ends = starts + 1
    last_of_word = in_word & np.concatenate((classes[1:] != _IN_WORD, [True]))
    ends[in_word[starts]] = np.flatnonzero(last_of_word) + 1
    sums = np.zeros(len(points) + 1, np.uint64)
    np.cumsum((points.astype(np.uint64) + np.uint64(1)) * powers[: len(points)], out=sums[1:])
    hashes = (sums[ends] - sums[starts]) * inverses[starts]
    return starts, (hashes ^ (hashes >> np.uint64(29))) * _SALTS[0]


def features(text: str) -> tuple[Positions, Positions]:
    """Every feature of a text: where it begins, and its index.

    Kinds of features are words, pairs, triples, pairs with a gap, and three, four and five
    characters. Kind ``k`` begins at its place plus ``k * LANE``, so that all are in order.
    """
    classes_of, powers, _ = _tables()
    points = np.frombuffer(_lowered(text).encode("utf-32-le", "surrogatepass"), np.uint32)
    classes = classes_of[np.minimum(points, 0xFFFF)]
    starts, words = _tokens(points, classes)
    s = _SALTS
    chars = np.where(classes == _BLANK, np.uint64(33), points + np.uint64(1))
    three = chars[:-2] * powers[3] + chars[1:-1] * powers[4] + chars[2:] * powers[5]
    four = three[:-1] + chars[3:] * powers[6]
    five = four[:-1] + chars[4:] * powers[7]
    hashes = (
        words * s[1],
        words[:-1] * s[2] + words[1:] * s[3],
        words[:-2] * s[4] + words[1:-1] * s[5] + words[2:] * s[6],
        words[:-2] * s[3] + words[2:] * s[6],
        three * s[0],
        four * s[1],
        five * s[2],
    )
    lanes = [starts[: len(kind)] + lane * LANE for lane, kind in enumerate(hashes[:4])]
    lanes += [np.arange(len(kind)) + lane * LANE for lane, kind in enumerate(hashes[4:], 4)]
    return np.concatenate(lanes), _index(np.concatenate(hashes))


def windows(length: int) -> list[tuple[int, int]]:
    """Start and end of the windows of a text of this length."""
    return [(start, min(start + WINDOW, length)) for start in range(0, max(length - STEP, 1), STEP)]


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    for start in range(0, max(len(text) - STEP, 1), _CHUNK):
        yield start, text[start : start + _CHUNK + STEP]


@dataclass(frozen=True, slots=True)
class Calibration:
    """From the sum of weights to a score: two points on the logistic curve."""

    bias: float
    scale: float
    """What a weight of one byte is multiplied with."""
    slope: float
    middle: float
    """The sum at which the score is 0.5."""


class Model:
    """Weights, and how sums of them become scores."""

    def __init__(self, weights: NDArray[np.int8], calibration: Calibration) -> None:
        self.weights = weights
        self.calibration = calibration

    def sums(self, text: str) -> NDArray[np.float64]:
        """For each window of the text the sum of its features' weights.

        Each kind of feature counts by the root of its number, so that longer windows do not weigh
        more.
        """
        return np.concatenate([self._chunk_sums(chunk) for _, chunk in _chunks(text)])

    def _chunk_sums(self, text: str) -> NDArray[np.float64]:
        starts, indexes = features(text)
        sums = np.zeros(len(indexes) + 1, np.int64)
        np.cumsum(self.weights[indexes], out=sums[1:])
        bounds = np.array(windows(len(text)))
        edges = np.searchsorted(starts, bounds + _LANES)
        counts = np.maximum(edges[..., 1] - edges[..., 0], 1)
        total = ((sums[edges[..., 1]] - sums[edges[..., 0]]) / np.sqrt(counts)).sum(axis=0)
        return np.asarray(total * self.calibration.scale + self.calibration.bias, np.float64)

    def scores(self, text: str) -> NDArray[np.float64]:
        """For each window of the text a score in [0, 1]."""
        margin = self.calibration.slope * (self.sums(text) - self.calibration.middle)
        return np.asarray(1 / (1 + np.exp(-np.clip(margin, -50, 50))), np.float64)

    def passages(self, text: str, floor: float) -> Iterator[tuple[int, int, float]]:
        """Start, end and highest score of each row of windows that score at least ``floor``."""
        bounds = windows(len(text))
        scores = self.scores(text)
        high = np.flatnonzero(scores >= floor)
        if not len(high):
            return
        for row in np.split(high, np.flatnonzero(np.diff(high) > 1) + 1):
            yield bounds[row[0]][0], bounds[row[-1]][1], float(scores[row].max())

    def dump(self) -> bytes:
        """The model as a file: a line of JSON, then the compressed weights."""
        head = json.dumps(asdict(self.calibration), sort_keys=True).encode()
        return head + b"\n" + zlib.compress(self.weights.tobytes(), 9)

    @classmethod
    def load(cls, content: bytes) -> "Model":
        """The model from what ``dump`` gave."""
        head, _, weights = content.partition(b"\n")
        table = np.frombuffer(zlib.decompress(weights), np.int8)
        return cls(table, Calibration(**json.loads(head)))
