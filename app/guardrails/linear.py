"""What linear models find in a passage. Its features are made once, for all detectors."""

import hashlib
import json
import math
import re
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from itertools import chain

import numpy as np
import re2
from numpy.typing import NDArray

from app.domain.finding import Finding
from app.guardrails.decode import without_surrogates
from app.guardrails.ngrams import BITS, CHUNK, Bounds, Features, Model, Places
from app.guardrails.passage import Layer, Passage

WINDOW = 512
"""Code points that are judged together. Longer texts are read in windows that half overlap, so
that an instruction does not drown in the document around it."""
STEP = WINDOW // 2
WIDE = 2048
"""Long texts are read in windows of this size too: an attack may lie in no sentence of a text, but
in all of them together."""

_NARROW = WIDE // 2
"""Texts up to here have no wide windows."""
MOST_CHANCES = 8.0
"""A text of more steps has no more chances to score high, so that no preamble hides an attack."""

HIGHEST = 12
"""Sums of a text that are compared: one attack is seldom alone in a text that is one."""
MOST_DOUBT = 4.2
"""That is taken off the sums of a text, for the same reason."""

_LONGEST_SENTENCE = 400
_SHORTEST_SENTENCE = 24
_PAUSE = 500
"""Sentences that are cut in one go: about two milliseconds."""
STRIDE = CHUNK - WIDE
"""From chunk to chunk. Every window lies in the chunk in which it begins."""

# Every alternative either fails at once or never looks again at what it has read, so that the time
# is linear. ``re`` takes a third of RE2's time here, and finds one of a set far sooner than a form.
_ENDS = re.compile(
    r"[.!?…。！？；\n{}<>|\";\\](?:"
    r"(?<=[.!?…])[\"'”’)\]*_]*\s+|(?<=[。！？；])|(?<=\n)\n*|(?<=[{}<>|])[{}<>|]*"
    r"|(?<=\"),?\s*\"|(?<=\"):\s|(?<=;)\s|(?<=\\)n)"
)

Sums = NDArray[np.float64]


def windows(text: str, size: int = WINDOW) -> Bounds:
    """Half-overlapping windows."""
    starts = np.arange(0, max(len(text) - size // 2, 1), size // 2)
    return np.stack([starts, np.minimum(starts + size, len(text))], axis=1)


def sentences(text: str) -> Bounds:
    """Each sentence, and each with the one after it. What JSON has between quotes is one too."""
    cuts = np.array([0, *_cuts(text), len(text)])
    alone = np.stack([cuts[:-1], cuts[1:]], axis=1)
    paired = np.stack([cuts[:-2], cuts[2:]], axis=1)
    return np.concatenate([alone, paired])


def _cuts(text: str) -> Iterator[int]:
    last, size = 0, len(text)
    ends = (found.end() for found in _ENDS.finditer(text))
    for number, end in enumerate(chain(ends, [size]), 1):
        if number % _PAUSE == 0:
            time.sleep(0)  # long texts are read in a thread: let the event loop run
        while end - last > _LONGEST_SENTENCE:
            blank = text.rfind(" ", last + _LONGEST_SENTENCE // 2, last + _LONGEST_SENTENCE)
            last = blank + 1 if blank >= 0 else last + _LONGEST_SENTENCE
            yield last
        if end - last >= _SHORTEST_SENTENCE and size - end >= _SHORTEST_SENTENCE:
            last = end
            yield last


def both(text: str) -> Bounds:
    """Windows, and where there is more than one sentence the sentences as well."""
    return _with_sentences(text, windows(text))


def wide(text: str) -> Bounds:
    """The same, and of long texts windows of a few thousand code points."""
    if len(text) <= _NARROW:
        return both(text)
    return _with_sentences(text, np.concatenate([windows(text), windows(text, WIDE)]))


def _with_sentences(text: str, cut: Bounds) -> Bounds:
    parts = sentences(text)
    return cut if len(parts) == 1 else np.concatenate([cut, parts])


CUTS: dict[str, Callable[[str], Bounds]] = {"both": both, "wide": wide, "sentences": sentences}


@dataclass(frozen=True, slots=True)
class _Chunk:
    chosen: Places
    """Which of the windows begin in it."""
    features: Features
    edges: Places


class Reading:
    """The features of a text, made chunk by chunk when first asked for."""

    __slots__ = ("_chunks", "_windows", "layer")

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self._chunks: dict[int, Features] = {}
        self._windows: dict[str, tuple[Bounds, list[_Chunk]]] = {}

    def sums(self, model: Model, cut: str) -> tuple[Bounds, Sums]:
        """The windows of a cut, and the model's sum of each."""
        if cut == "wide" and len(self.layer.text) <= _NARROW:
            cut = "both"
        if cut not in self._windows:
            bounds = CUTS[cut](self.layer.text)
            self._windows[cut] = bounds, self._in_chunks(bounds)
        bounds, chunks = self._windows[cut]
        sums = np.empty(len(bounds))
        for chunk in chunks:
            sums[chunk.chosen] = model.sums(chunk.features, chunk.edges)
        return bounds, sums

    def _in_chunks(self, bounds: Bounds) -> list["_Chunk"]:
        numbers = bounds[:, 0] // STRIDE
        chunks = []
        for number in range(int(numbers.max()) + 1):
            chosen = np.flatnonzero(numbers == number)
            if len(chosen):
                features = self.features(number)
                edges = features.edges(bounds[chosen] - number * STRIDE)
                chunks.append(_Chunk(chosen, features, edges))
        return chunks

    def features(self, number: int) -> Features:
        """Of a chunk."""
        features = self._chunks.get(number)
        if features is None:
            start = number * STRIDE
            if number:
                time.sleep(0)  # as in ``_cuts``
            features = self._chunks[number] = Features(self.layer.text[start : start + CHUNK])
        return features


# "Ignore all previous instructions", read from its end.
_REVERSED = re2.compile(
    r"(?i)snoitcurtsni|snoitcerid|suoiverp|tpmorp|erongi|dragersid|etirw|laever|drowssap|tegrof"
)


# Digits and signs between letters, as in "1gn0r3 4ll", read as the letters they look like.
_DIGITS_IN_WORDS = re2.compile(r"(?i)[a-z][013457@$][a-z]")
_MANY = 3
_LETTERS = str.maketrans("013457@$", "oieastas")


# Frames, rules and room, as around what is drawn as a box.
_DRAWN = re.compile(r"([^\w\s])\1{3,}|[^\S\n]{4,}")
_MOSTLY = 5
"""A text of which every fifth code point is drawing has a reading without it."""


def _undrawn(text: str) -> Layer | None:
    """The text with one sign for each run of it, where much is drawn.

    Else few words would be left in a window.
    """
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    repeated = np.count_nonzero(points[1:] == points[:-1])
    if len(text) <= WINDOW or repeated * _MOSTLY < len(text):
        return None  # as most texts: looking for runs takes longer
    runs = [found.span() for found in _DRAWN.finditer(text)]
    if sum(end - start - 1 for start, end in runs) * _MOSTLY < len(text):
        return None
    kept = np.ones(len(text), np.bool_)
    for start, end in runs:
        kept[start + 1 : end] = False
    places = np.flatnonzero(kept)
    read = "".join(text[place] for place in places.tolist())
    return Layer("undrawn", read, places.tolist(), (places + 1).tolist())


def readings(passage: Passage) -> tuple[Reading, ...]:
    """Of every layer, and of the text without what is drawn, without digits or backwards.

    The latter only where it looks so disguised.
    """
    found = [Reading(layer) for layer in passage.layers if layer.text]
    text = without_surrogates(passage.original)
    if (undrawn := _undrawn(text)) is not None:
        found.append(Reading(undrawn))
    if len(_DIGITS_IN_WORDS.findall(text)) >= _MANY:
        found.append(Reading(Layer("digits", text.translate(_LETTERS))))
    if _REVERSED.search(text):
        size = len(text)
        found.append(Reading(Layer("reversed", text[::-1], [0] * size, [size] * size)))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Calibration:
    """From the sum of weights to a score: two points on the logistic curve."""

    slope: float
    middle: float
    """The sum at which the score is 0.5."""

    def score(self, sums: Sums) -> Sums:
        """In (0, 1), and never so near to either end that two sums would score the same."""
        return np.asarray(1 / (1 + np.exp(-np.clip(self.slope * (sums - self.middle), -30, 30))))


def _narrowest(bounds: Bounds) -> Bounds:
    """The windows in which none of the others lies."""
    ordered = bounds[np.lexsort((-bounds[:, 1], bounds[:, 0]))]
    later = np.minimum.accumulate(ordered[::-1, 1])[::-1]
    holds_none = np.append(later[1:] > ordered[:-1, 1], [True])
    return np.asarray(ordered[holds_none])


def chances(length: int) -> float:
    """The logarithm of how many chances a text of this length has to score high."""
    return math.log(min(max(1.0, length / STEP), MOST_CHANCES))


def doubt(sums: Sums, length: int, chance: float, steady: float) -> float:
    """What is taken off a text's sums: more, the likelier its highest one is high by chance.

    That is likely in a long text, and where other windows are far from as high.

    Args:
        sums: Of all its windows.
        length: Of the text.
        chance: What each of its ``chances`` takes off.
        steady: What each point takes off that the highest sums are below the highest.
    """
    highest = np.partition(sums, -HIGHEST)[-HIGHEST:] if len(sums) > HIGHEST else sums
    below = float((highest.max() - highest).sum()) / HIGHEST
    return min(chance * chances(length) + steady * below, MOST_DOUBT)


@dataclass(frozen=True, slots=True)
class Head:
    """A model, what it reads at a time, and what its sums mean."""

    model: Model
    cut: str
    """One of ``CUTS``."""
    chance: float
    steady: float
    """For both see ``doubt``."""
    calibration: Calibration

    def judged(self, reading: Reading) -> tuple[Bounds, Sums]:
        """What is judged together, and the sum of each, less for a text that has many."""
        bounds, sums = reading.sums(self.model, self.cut)
        return bounds, sums - doubt(sums, len(reading.layer.text), self.chance, self.steady)

    def passages(self, reading: Reading, floor: float) -> Iterator[tuple[int, int, float]]:
        """Start, end and highest score of what scores at least ``floor``.

        Where windows overlap, one passage holds those that score two thirds as high as the best;
        a window in which another of them lies does not count, so that a passage is no wider than
        the sentences that read so.
        """
        bounds, sums = self.judged(reading)
        scores = self.calibration.score(sums)
        high = np.flatnonzero(scores >= floor)
        if not len(high):
            return
        high = high[np.argsort(bounds[high, 0], kind="stable")]
        ends = np.maximum.accumulate(bounds[high, 1])
        for group in np.split(high, np.flatnonzero(bounds[high[1:], 0] >= ends[:-1]) + 1):
            best = scores[group].max()
            kept = _narrowest(bounds[group[scores[group] >= best * 2 / 3]])
            yield int(kept[:, 0].min()), int(kept[:, 1].max()), float(best)

    def dump(self) -> bytes:
        """The head as a file: a line of JSON, then the compressed weights."""
        told = {
            "cut": self.cut,
            "chance": self.chance,
            "steady": self.steady,
            "scale": self.model.scale,
            "bias": self.model.bias,
            **asdict(self.calibration),
        }
        told = {name: _short(value) for name, value in told.items()}
        return json.dumps(told).encode() + b"\n" + zlib.compress(self.model.weights.tobytes(), 9)


def surest(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings in order; of those that overlap the surest."""
    kept: list[Finding] = []
    for finding in sorted(found, key=lambda finding: (finding.start, -finding.end)):
        if not kept or kept[-1].end <= finding.start:
            kept.append(finding)
        elif kept[-1].score < finding.score:
            kept[-1] = finding
    return tuple(kept)


def _short(value: object) -> object:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def head(content: bytes) -> Head:
    """The head from what ``dump`` gave."""
    line, _, weights = content.partition(b"\n")
    told = json.loads(line)
    table = np.frombuffer(zlib.decompress(weights), np.int8)
    model = Model(table, told["scale"], told["bias"])
    calibration = Calibration(told["slope"], told["middle"])
    return Head(model, told["cut"], told["chance"], told["steady"], calibration)


CLASS_BITS = 14
"""Of a feature's index in a table of classes."""


class Classes:
    """Which of several classes a text is most likely of: one row of weights for each."""

    __slots__ = ("_biases", "_weights", "names")

    def __init__(
        self, names: Sequence[str], weights: NDArray[np.int8], biases: Sequence[float]
    ) -> None:
        self.names = tuple(names)
        self._weights = weights
        self._biases = np.array(biases)

    def most_likely(self, text: str) -> str:
        """A class, from the beginning of the text."""
        features = Features(text[:CHUNK])
        edges = features.edges(np.array([[0, len(text[:CHUNK])]]))
        counts = np.maximum(edges[:, 0, 1] - edges[:, 0, 0], 1)
        values = np.repeat(counts**-0.5, edges[:, 0, 1] - edges[:, 0, 0])
        rows = self._weights[:, features.indexes >> (BITS - CLASS_BITS)]
        return self.names[int(np.argmax(rows @ values + self._biases))]

    def dump(self) -> bytes:
        """The classes as a file: a line of JSON, then the compressed weights."""
        told = {"names": self.names, "biases": [_short(bias) for bias in self._biases.tolist()]}
        return json.dumps(told).encode() + b"\n" + zlib.compress(self._weights.tobytes(), 9)


def classes(content: bytes) -> Classes:
    """The classes from what ``dump`` gave."""
    line, _, weights = content.partition(b"\n")
    told = json.loads(line)
    table = np.frombuffer(zlib.decompress(weights), np.int8)
    return Classes(
        told["names"], table.reshape(len(told["names"]), 1 << CLASS_BITS), told["biases"]
    )


def shipped(name: str) -> tuple[Head, str]:
    """A head that is shipped, and the digest of its file."""
    content = _shipped(name)
    return head(content), _digest(content)


def shipped_classes(name: str, expected: Sequence[str]) -> tuple[Classes, str]:
    """Classes that are shipped, and the digest of their file.

    Raises:
        ValueError: If they are not the expected ones.
    """
    content = _shipped(name)
    found = classes(content)
    if found.names != tuple(expected):
        raise ValueError(f"{name}.weights tells apart other classes than the detector names")
    return found, _digest(content)


def _shipped(name: str) -> bytes:
    Features("")  # makes the tables now, not on the first request
    return files(__package__).joinpath("weights", f"{name}.weights").read_bytes()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]
