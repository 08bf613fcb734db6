"""Logistic regression over the features of windows, in rounds that look for the hardest ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from app.guardrails.linear import CLASS_BITS, CUTS, Classes
from app.guardrails.ngrams import BITS, CHUNK, Bounds, Features, Model
from benchmarks.guardrails.rows import Row

Vector = NDArray[np.float64]

MOST_WINDOWS = 16
"""Of one text that are looked at."""
HARDEST = 3
"""Of one text that are fitted on: at first any, then those that score highest."""
STEPS = 32
"""Of each round."""
SHORTEST_STEP = 1e-9


@dataclass(frozen=True, slots=True)
class Samples:
    """Windows as sparse rows of features."""

    row: NDArray[np.intp]
    """Which text a window is of."""
    features: csr_array

    def of_bits(self, bits: int) -> "Samples":
        """The same for a model of fewer weights."""
        count, every = self.features.shape
        indexes = self.features.indices // (every >> bits)
        fewer = csr_array((self.features.data, indexes, self.features.indptr), (count, 1 << bits))
        return Samples(self.row, fewer)

    def highest(self, sums: Vector, count: int) -> Vector:
        """The highest sum of each text's windows; minus infinity where it has none."""
        best = np.full(count, -np.inf)
        np.maximum.at(best, self.row, sums)
        return best

    def hardest(self, sums: Vector) -> NDArray[np.bool_]:
        """The windows of each text that have the highest sums."""
        order = np.lexsort((-sums, self.row))
        rows = self.row[order]
        places = np.arange(len(rows))
        firsts = np.maximum.accumulate(np.where(np.diff(rows, prepend=-1) > 0, places, 0))
        chosen = np.zeros(len(rows), np.bool_)
        chosen[order] = places - firsts < HARDEST
        return chosen


def sample(rows: Sequence[Row], cut: str) -> Samples:
    """The windows of these rows; where the attack in a document is known, those that hold it."""
    chance = np.random.default_rng(0)
    of_row: list[int] = []
    indexes, values, sizes = [], [], [0]
    for number, row in enumerate(rows):
        text = row.text[:CHUNK]
        if not text.strip():
            continue
        bounds = CUTS[cut](text)
        bounds = bounds[_holds(row, bounds)]
        if len(bounds) > MOST_WINDOWS:
            bounds = bounds[np.sort(chance.choice(len(bounds), MOST_WINDOWS, replace=False))]
        features = Features(text)
        edges = features.edges(bounds)
        for window in range(len(bounds)):
            firsts, lasts = edges[:, window, 0], edges[:, window, 1]
            counts = lasts - firsts
            pairs = zip(firsts, lasts, strict=True)
            indexes.append(np.concatenate([features.indexes[a:b] for a, b in pairs]))
            values.append(np.repeat(np.maximum(counts, 1) ** -0.5, counts).astype(np.float32))
            sizes.append(int(counts.sum()))
        of_row += [number] * len(bounds)
    matrix = csr_array(
        (np.concatenate(values), np.concatenate(indexes), np.cumsum(sizes)),
        shape=(len(of_row), 1 << BITS),
    )
    return Samples(np.array(of_row), matrix)


def _holds(row: Row, bounds: Bounds) -> NDArray[np.bool_]:
    """Which windows are for the most part the inserted attack, or hold most of it."""
    at = row.text.find(row.inserted) if row.inserted else -1
    if at < 0:
        return np.ones(len(bounds), np.bool_)
    overlap = np.minimum(bounds[:, 1], at + len(row.inserted)) - np.maximum(bounds[:, 0], at)
    least = np.minimum(len(row.inserted), bounds[:, 1] - bounds[:, 0])
    return np.asarray(overlap >= 0.6 * least)


def fit(samples: Samples, teaches: Vector, strength: float) -> tuple[Vector, float]:
    """Weights and bias of a logistic regression with a squared penalty on the weights.

    The first round sees a few windows of each text, the second those that scored highest: of
    harmless texts because the worst window decides, of attacks because not all of it is one.

    Args:
        samples: Windows.
        teaches: For each text how much it counts; below zero it is an example of the opposite.
        strength: The inverse of the penalty.
    """
    chance = np.random.default_rng(0)
    point = np.zeros(samples.features.shape[1] + 1)
    sums = chance.random(len(samples.row))
    for _ in range(2):
        point = _round(samples, teaches, strength, samples.hardest(sums), point)
        sums = samples.features @ point[:-1].astype(np.float32)
    return point[:-1], float(point[-1])


def _round(
    samples: Samples, teaches: Vector, strength: float, chosen: NDArray[np.bool_], point: Vector
) -> Vector:
    used = chosen & (teaches[samples.row] != 0)
    matrix, rows = samples.features[used], samples.row[used]
    backwards = matrix.T.tocsr()
    target = teaches[rows] / np.sqrt(np.bincount(rows)[rows])
    sign, weight = np.sign(target), np.abs(target)

    def loss(point: Vector) -> tuple[float, Vector]:
        margin = sign * (matrix @ point[:-1].astype(np.float32) + point[-1])
        push = -sign * weight / (1 + np.exp(np.clip(margin, -50, 50)))
        slope = (backwards @ push.astype(np.float32)).astype(np.float64)
        total = float(weight @ np.logaddexp(0, -margin) + point[:-1] @ point[:-1] / (2 * strength))
        return total, np.append(slope + point[:-1] / strength, push.sum())

    return _lowest(loss, point)


def _lowest(loss: Callable[[Vector], tuple[float, Vector]], point: Vector) -> Vector:
    """Where the loss is low, by some steps of L-BFGS with halving."""
    value, slope = loss(point)
    steps: list[tuple[Vector, Vector]] = []
    for _ in range(STEPS):
        direction = slope.copy()
        shares = []
        for moved, turned in reversed(steps):
            share = (moved @ direction) / (turned @ moved)
            direction -= share * turned
            shares.append(share)
        if steps:
            moved, turned = steps[-1]
            direction *= (moved @ turned) / (turned @ turned)
        for (moved, turned), share in zip(steps, reversed(shares), strict=True):
            direction += moved * (share - (turned @ direction) / (turned @ moved))
        length = 1.0 if steps else 1.0 / float(np.abs(slope).sum())
        downhill = float(slope @ direction)
        while True:
            tried = point - length * direction
            new_value, new_slope = loss(tried)
            if new_value <= value - 1e-4 * length * downhill or length < SHORTEST_STEP:
                break
            length /= 2
        is_done = value - new_value < 1e-4 * abs(value)
        steps = [*steps[-7:], (tried - point, new_slope - slope)]
        point, value, slope = tried, new_value, new_slope
        if is_done:
            break
    return point


def of_a_byte(weights: Vector, bias: float, largest: float) -> Model:
    """The model with weights of one byte.

    Args:
        weights: As they were fitted.
        bias: What is added to a sum.
        largest: The quantile of the weights' sizes above which they are cut.
    """
    scale = float(np.quantile(np.abs(weights), largest)) / 127
    cut = np.clip(np.round(weights / scale), -127, 127)
    return Model(cut.astype(np.int8), scale, bias)


def fit_classes(samples: Samples, labels: Sequence[str], names: Sequence[str]) -> Classes:
    """For each class a model against the others; windows without a label are not used.

    Args:
        samples: Windows.
        labels: The class of each text, or nothing.
        names: The classes.
    """
    of_window = np.array([labels[row] for row in samples.row])
    used = of_window != ""
    matrix = samples.features[used]
    kept = Samples(np.arange(matrix.shape[0]), matrix).of_bits(CLASS_BITS)
    start = np.zeros((1 << CLASS_BITS) + 1)
    everything = np.ones(len(kept.row), np.bool_)
    points = np.array(
        [
            _round(kept, np.where(of_window[used] == name, 1.0, -1.0), 5.0, everything, start)
            for name in names
        ]
    )
    scale = np.quantile(np.abs(points[:, :-1]), 0.9997) / 127
    table = np.clip(np.round(points[:, :-1] / scale), -127, 127).astype(np.int8)
    return Classes(names, table, (points[:, -1] / scale).tolist())
