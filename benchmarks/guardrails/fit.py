"""Logistic regression over the features of windows."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from app.guardrails.ngrams import BITS, CHUNK, KINDS, Bounds, Features, Model
from app.guardrails.reading import sentences, windows
from benchmarks.guardrails.rows import Row

Vector = NDArray[np.float64]
Teaches = Callable[[Row], float]

MOST_WINDOWS = 4
"""Of one text, so that long texts do not outweigh many short ones."""
SHORTEST_STEP = 1e-9
STEPS = 60


@dataclass(frozen=True, slots=True)
class Samples:
    """Windows as sparse rows of features."""

    row: NDArray[np.intp]
    """Which text a window is of."""
    features: csr_array
    share: Vector
    """Of its text's weight."""
    holds: NDArray[np.bool_]
    """Whether it holds the inserted attack, where the text's is known; else true."""


def sample(rows: Sequence[Row], cut: Callable[[str], Bounds]) -> Samples:
    """The windows of these rows: a few of each."""
    chance = random.Random(0)  # noqa: S311  # the same windows every time
    of_row, share, holds = [], [], []
    indexes, values, sizes = [], [], [0]
    for number, row in enumerate(rows):
        text = row.text[:CHUNK]
        bounds = cut(text)
        held = _holds(row, bounds)
        chosen = np.flatnonzero(held) if row.inserted else np.arange(len(bounds))
        if len(chosen) > MOST_WINDOWS:
            chosen = np.array(sorted(chance.sample(chosen.tolist(), MOST_WINDOWS)), np.intp)
        if not len(chosen) or not text.strip():
            continue
        features = Features(text)
        edges = features.edges(bounds[chosen])
        for window in range(len(chosen)):
            first, last = edges[:, window, 0], edges[:, window, 1]
            pieces = [features.indexes[a:b] for a, b in zip(first, last, strict=True)]
            counts = last - first
            indexes.append(np.concatenate(pieces))
            values.append(np.repeat(np.maximum(counts, 1) ** -0.5, counts).astype(np.float32))
            sizes.append(int(counts.sum()))
        of_row += [number] * len(chosen)
        share += [1 / math.sqrt(len(chosen))] * len(chosen)
        holds += held[chosen].tolist()
    matrix = csr_array(
        (np.concatenate(values), np.concatenate(indexes), np.cumsum(sizes)),
        shape=(len(of_row), 1 << BITS),
    )
    return Samples(np.array(of_row), matrix, np.array(share), np.array(holds))


def _holds(row: Row, bounds: Bounds) -> NDArray[np.bool_]:
    """Which windows are for the most part the inserted attack, or hold most of it."""
    at = row.text.find(row.inserted) if row.inserted else -1
    if at < 0:
        return np.ones(len(bounds), np.bool_)
    overlap = np.minimum(bounds[:, 1], at + len(row.inserted)) - np.maximum(bounds[:, 0], at)
    least = np.minimum(len(row.inserted), bounds[:, 1] - bounds[:, 0])
    return np.asarray(overlap >= 0.6 * least)


def fit(samples: Samples, targets: Vector, strength: float) -> tuple[Vector, float]:
    """Weights and bias of a logistic regression with a squared penalty on the weights.

    Args:
        samples: Windows.
        targets: For each window how much it counts; below zero it is an example of the opposite.
        strength: The inverse of the penalty.
    """
    used = targets != 0
    matrix = samples.features[used]
    backwards = matrix.T.tocsr()
    sign, weight = np.sign(targets[used]), np.abs(targets[used])

    def loss(point: Vector) -> tuple[float, Vector]:
        weights = point[:-1].astype(np.float32)
        margin = sign * (matrix @ weights + point[-1])
        push = -sign * weight / (1 + np.exp(np.clip(margin, -50, 50)))
        slope = (backwards @ push.astype(np.float32)).astype(np.float64)
        total = float(weight @ np.logaddexp(0, -margin) + point[:-1] @ point[:-1] / (2 * strength))
        return total, np.append(slope + point[:-1] / strength, push.sum())

    point = _minimum(loss, np.zeros((1 << BITS) + 1))
    return point[:-1], float(point[-1])


def _minimum(loss: Callable[[Vector], tuple[float, Vector]], point: Vector) -> Vector:
    """Where the loss is least, by L-BFGS with halving steps."""
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
        is_done = value - new_value < 1e-3 * abs(value) * (len(steps) > 3)
        steps = [*steps[-7:], (tried - point, new_slope - slope)]
        point, value, slope = tried, new_value, new_slope
        if is_done:
            break
    return point


def quantized(weights: Vector, bias: float) -> Model:
    """The model with weights of one byte."""
    scale = float(np.quantile(np.abs(weights), 0.9997)) / 127
    return Model(np.clip(np.round(weights / scale), -127, 127).astype(np.int8), scale, bias)
