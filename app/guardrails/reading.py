"""What linear models make of a text: a sum for each window of it. Features are made once."""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from app.guardrails.ngrams import CHUNK, Bounds, Features, Model

WINDOW = 512
"""Code points that are judged together. Longer texts are read in windows that half overlap, so
that an instruction does not drown in the document around it."""

_LONGEST_SENTENCE = 400
_SHORTEST_SENTENCE = 24
_STRIDE = CHUNK - 2 * _LONGEST_SENTENCE
"""Every window lies in the chunk in which it begins."""

_ENDS = re.compile(r"[.!?…][\"'”’)\]*_]*\s+|[。！？；]|\n+|[{}<>|]+|\",?\s*\"|\":\s|;\s|\\n")


def windows(length: int) -> Bounds:
    """The windows of a text of this length."""
    starts = np.arange(0, max(length - WINDOW // 2, 1), WINDOW // 2)
    return np.stack([starts, np.minimum(starts + WINDOW, length)], axis=1)


def sentences(text: str) -> Bounds:
    """Each sentence, and each with the one after it. What is between quotes in JSON is one too."""
    cuts = [0, *_cuts(text), len(text)]
    starts, ends = np.array(cuts[:-1]), np.array(cuts[1:])
    alone = np.stack([starts, ends], axis=1)
    paired = np.stack([starts[:-1], ends[1:]], axis=1)
    return np.concatenate([alone, paired])


def _cuts(text: str) -> Iterator[int]:
    last, size = 0, len(text)
    for end in (*(found.end() for found in _ENDS.finditer(text)), size):
        while end - last > _LONGEST_SENTENCE:
            blank = text.rfind(" ", last + _LONGEST_SENTENCE // 2, last + _LONGEST_SENTENCE)
            last = blank + 1 if blank >= 0 else last + _LONGEST_SENTENCE
            yield last
        if end - last >= _SHORTEST_SENTENCE and size - end >= _SHORTEST_SENTENCE:
            last = end
            yield last


class Reading:
    """The features of a text, made chunk by chunk when first asked for."""

    __slots__ = ("_chunks", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._chunks: dict[int, Features] = {}

    def sums(self, model: Model, bounds: Bounds) -> NDArray[np.float64]:
        """For each window, none longer than two sentences, the model's sum."""
        numbers = bounds[:, 0] // _STRIDE
        sums = np.empty(len(bounds))
        for number in range(int(numbers.max(initial=-1)) + 1):
            chosen = numbers == number
            if chosen.any():
                features = self._features(number)
                edges = features.edges(bounds[chosen] - number * _STRIDE)
                sums[chosen] = model.sums(features, edges)
        return sums

    def _features(self, number: int) -> Features:
        features = self._chunks.get(number)
        if features is None:
            start = number * _STRIDE
            features = self._chunks[number] = Features(self.text[start : start + CHUNK])
        return features
