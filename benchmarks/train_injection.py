"""Fits the weights of the ``injection`` detector. Deterministic; needs nothing but NumPy.

    python benchmarks/train_injection.py DATA app/guardrails/detectors/injection.weights

``DATA`` is a folder with ``train/`` and ``dev/``, each with ``injection``, ``indirect``,
``benign``, ``overrefusal`` and ``harm`` as gzipped JSON lines of ``text, label, lang, source,
meta``. Fits on ``train/``, sets the scores on ``dev/``, and prints recall and false alarms with
Wilson intervals, as they stand in ``docs/reference/detectors/injection.md``. Some files, the
share-alike ones among them, are measured and never fitted on.
"""

import argparse
import gzip
import json
import math
import random
import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.guardrails.ngrams import (
    BITS,
    KINDS,
    LANE,
    Calibration,
    Model,
    features,
    windows,
)

Vector = NDArray[np.float64]

TASKS = ("injection", "indirect", "benign", "overrefusal", "harm")
NEVER_FITTED = ("benign_sharealike", "indirect_sharealike", "pii", "secrets")
PHRASES = Path(__file__).with_name("injection_phrases.toml")
AUTHORED = "sentences written for this"
DRAWS = 40
"""How many sentences are drawn from each line of the phrases."""

ORDINARY = range(60, 1500)
"""How long texts are that such a sentence is put before or after."""

STRENGTH = 5.0
"""Inverse of the penalty on large weights; chosen by leaving sources out."""
SHORTEST_STEP = 1e-9
FOLDS = 5
MOST_WINDOWS = 6
"""Of one text, so that long texts do not outweigh many short ones."""

# Attacks that only a system prompt makes attacks ("Can you translate 'Hello' into Spanish?") teach
# nothing but to distrust ordinary requests. These kinds show in the text.
VISIBLE = frozenset(
    {
        "ignore_previous_instructions",
        "system_mode",
        "mixed_techniques",
        "virtualization",
        "token_smuggling",
        "many_shot_attack",
    }
)


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled text."""

    text: str
    is_attack: bool
    source: str
    task: str
    lang: str
    weight: float = 1.0
    inserted: str = ""
    """The attack inside a document, where it is known."""
    meta: Mapping[str, Any] = field(default_factory=dict)


def read(folder: Path, part: str, tasks: Sequence[str] = TASKS) -> list[Row]:
    """All rows of one part."""
    rows = []
    for task in tasks:
        with gzip.open(folder / part / f"{task}.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows += [_row(task, json.loads(line)) for line in lines]
    return rows


def _row(task: str, entry: Mapping[str, Any]) -> Row:
    task = task.removesuffix("_sharealike")
    is_attack = bool(entry["label"]) and task in {"injection", "indirect"}
    meta = entry["meta"]
    weight = 1.0
    if task == "harm":
        weight = 0.6
    elif is_attack and "CyberSecEval" in entry["source"]:
        weight = 0.5 if meta.get("variant") in VISIBLE else 0.0
    elif is_attack and "GCG" in entry["source"]:
        weight = 0.2
    return Row(
        entry["text"],
        is_attack,
        entry["source"],
        task,
        entry["lang"],
        weight,
        meta.get("inj") or "",
        meta,
    )


_CHOICE = re.compile(r"\{([^{}]*\|[^{}]*)\}")


def _drawn(line: str, chance: random.Random) -> str:
    while match := _CHOICE.search(line):
        choice = chance.choice(match[1].split("|"))
        line = line[: match.start()] + choice + line[match.end() :]
    return line.replace("\\n", "\n").replace("¦", "|")


def authored(rows: Sequence[Row]) -> list[Row]:
    """Sentences drawn from the phrases, a third of them before or after an ordinary text."""
    chance = random.Random(7)  # noqa: S311  # the same sentences every time
    ordinary = [row.text for row in rows if row.task == "benign" and len(row.text) in ORDINARY]
    lines = tomllib.loads(PHRASES.read_text("utf-8"))
    drawn = []
    for part in ("attack", "harmless"):
        is_attack = part == "attack"
        for line in lines[part]:
            for _ in range(DRAWS):
                text = sentence = _drawn(line, chance)
                if chance.random() < 1 / 3:
                    around = chance.choice(ordinary)
                    text = chance.choice((f"{sentence} {around}", f"{around} {sentence}"))
                inserted = sentence if is_attack else ""
                drawn.append(Row(text, is_attack, AUTHORED, "authored", "", 1.0, inserted))
    return drawn


def alone(rows: Iterable[Row]) -> list[Row]:
    """The attacks that were inserted into documents, on their own."""
    return [
        Row(row.inserted, is_attack=True, source=row.source, task=row.task, lang=row.lang)
        for row in rows
        if row.is_attack and row.inserted
    ]


@dataclass(frozen=True, slots=True)
class Samples:
    """Windows as sparse rows of features."""

    row: NDArray[np.intp]
    """Which text a window is of."""
    begins: NDArray[np.intp]
    indexes: NDArray[np.int32]
    values: NDArray[np.float32]
    is_attack: NDArray[np.bool_]
    weight: Vector

    def sums(self, weights: Vector, bias: float) -> Vector:
        """The linear model's sum for each window."""
        return np.asarray(np.add.reduceat(weights[self.indexes] * self.values, self.begins) + bias)

    def only(self, keeps: NDArray[np.bool_]) -> "Samples":
        """The windows for which this holds."""
        lengths = np.diff(np.append(self.begins, len(self.indexes)))
        wanted = np.repeat(keeps, lengths)
        kept = lengths[keeps]
        return Samples(
            self.row[keeps],
            np.concatenate(([0], np.cumsum(kept)[:-1])),
            self.indexes[wanted],
            self.values[wanted],
            self.is_attack[keeps],
            self.weight[keeps],
        )


def _teaches(row: Row, start: int, end: int) -> bool:
    """Whether a window has the row's label: in a document, where the attack stands."""
    at = row.text.find(row.inserted) if row.inserted else -1
    if at < 0:
        return True
    overlap = min(end, at + len(row.inserted)) - max(start, at)
    return overlap >= 0.6 * min(len(row.inserted), end - start)


def sample(rows: Sequence[Row]) -> Samples:
    """The windows of these rows."""
    chance = random.Random(0)  # noqa: S311  # the same windows every time
    of_row: list[int] = []
    indexes: list[NDArray[np.int32]] = []
    values: list[NDArray[np.float32]] = []
    weights: list[float] = []
    for number, row in enumerate(rows):
        text = row.text[: LANE - 1]
        bounds = [pair for pair in windows(len(text)) if _teaches(row, *pair)]
        if len(bounds) > MOST_WINDOWS:
            bounds = sorted(chance.sample(bounds, MOST_WINDOWS))
        if not text or not bounds or not row.weight:
            continue
        starts, index = features(text)
        lanes = np.arange(KINDS)[:, None] * LANE
        for bound in bounds:
            edges = np.searchsorted(starts, lanes + np.array(bound))
            pieces = [(first, last) for first, last in edges if last > first]
            of_row.append(number)
            weights.append(row.weight / math.sqrt(len(bounds)))
            indexes.append(np.concatenate([index[a:b] for a, b in pieces]).astype(np.int32))
            values.append(
                np.concatenate([np.full(b - a, (b - a) ** -0.5, np.float32) for a, b in pieces])
            )
    lengths = [len(piece) for piece in indexes]
    row_of = np.array(of_row)
    return Samples(
        row_of,
        np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.intp),
        np.concatenate(indexes),
        np.concatenate(values),
        np.array([rows[number].is_attack for number in of_row]),
        np.array(weights),
    )


def fit(samples: Samples) -> tuple[Vector, float]:
    """Weights and bias of a logistic regression with a squared penalty on the weights."""
    lengths = np.diff(np.append(samples.begins, len(samples.indexes)))
    sign = np.where(samples.is_attack, 1.0, -1.0)

    def loss(point: Vector) -> tuple[float, Vector]:
        margin = sign * samples.sums(point[:-1], point[-1])
        lost = np.logaddexp(0, -margin)
        push = -sign * samples.weight / (1 + np.exp(np.clip(margin, -50, 50)))
        slope = np.bincount(
            samples.indexes, samples.values * np.repeat(push, lengths), minlength=1 << BITS
        )
        penalty = point[:-1] @ point[:-1] / (2 * STRENGTH)
        total = float(samples.weight @ lost + penalty)
        return total, np.append(slope + point[:-1] / STRENGTH, push.sum())

    point = _minimum(loss, np.zeros((1 << BITS) + 1))
    return point[:-1], float(point[-1])


def _minimum(loss: Callable[[Vector], tuple[float, Vector]], point: Vector) -> Vector:
    """Where the loss is least, by L-BFGS with halving steps."""
    value, slope = loss(point)
    steps: list[tuple[Vector, Vector]] = []
    for _ in range(80):
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
        steps = [*steps[-9:], (tried - point, new_slope - slope)]
        point, value, slope = tried, new_value, new_slope
        if is_done:
            break
    return point


def highest(row_of: NDArray[np.intp], sums: Vector, count: int) -> Vector:
    """The highest sum of each text's windows; minus infinity where it has none."""
    best = np.full(count, -np.inf)
    np.maximum.at(best, row_of, sums)
    return best


def _family(row: Row) -> str:
    """The first word of a source: those who publish several sets write them in one style."""
    return row.source if row.source == AUTHORED else row.source.split()[0].rstrip(":")


def left_out(rows: Sequence[Row], samples: Samples) -> Vector:
    """For each text the sum that a model gives which saw no text of its source's family."""
    families = sorted({_family(row) for row in rows if row.source != AUTHORED})
    fold_of = {family: number % FOLDS for number, family in enumerate(families)}
    fold_of[AUTHORED] = -1
    folds = np.array([fold_of[_family(rows[number])] for number in samples.row])
    best = np.full(len(rows), -np.inf)
    for fold in range(FOLDS):
        weights, bias = fit(samples.only(folds != fold))
        held = samples.only(folds == fold)
        best = np.maximum(best, highest(held.row, held.sums(weights, bias), len(rows)))
    return best


def quantized(weights: Vector, bias: float) -> Model:
    """The model with weights of one byte, not yet calibrated."""
    scale = float(np.quantile(np.abs(weights), 0.9997)) / 127
    weights_of_a_byte = np.clip(np.round(weights / scale), -127, 127).astype(np.int8)
    return Model(weights_of_a_byte, Calibration(bias=bias, scale=scale, slope=1.0, middle=0.0))


def wilson(hits: int, of: int) -> str:
    """A share in percent with its 95 % interval."""
    z = 1.959964
    share = hits / of
    center = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    low, high = max(0.0, center - half), min(1.0, center + half)
    return f"{100 * share:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def table(rows: Sequence[Row], scores: Vector, key: Callable[[Row], tuple[str, ...]]) -> None:
    """Prints shares at 0.5 and 0.9 for groups of rows."""
    groups: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for row, score in zip(rows, scores, strict=True):
        groups[key(row)].append(float(score))
    for name in sorted(groups):
        group = np.array(groups[name])
        shares = (wilson(int((group >= at).sum()), len(group)) for at in (0.5, 0.9))
        print("|", " | ".join((*name, str(len(group)), *shares)), "|")


def calibrated(sums: Vector, rows: Sequence[Row]) -> tuple[float, float]:
    """Middle and slope: 0.5 where one harmless text in a hundred lies above, 0.9 one in 1,000."""
    harmless = sums[[row.task in {"benign", "overrefusal"} for row in rows]]
    middle, high = np.quantile(harmless, [0.99, 0.999])
    return float(middle), float(math.log(9) / (high - middle))


def main() -> None:
    """Fit, calibrate, write, report."""
    parser = argparse.ArgumentParser(description="Fit the weights of the injection detector.")
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    rows = read(given.data, "train")
    rows += alone(rows)
    rows += authored(rows)
    samples = sample(rows)
    model = quantized(*fit(samples))
    dev = read(given.data, "dev")
    sums = np.array([model.sums(row.text).max() for row in dev])
    middle, slope = calibrated(sums, dev)
    model.calibration = replace(model.calibration, middle=middle, slope=slope)
    given.out.write_bytes(model.dump())
    report("on dev", dev, scores(model, dev))
    unseen = [row for part in ("train", "dev") for row in read(given.data, part, NEVER_FITTED)]
    report("never fitted on", unseen, scores(model, unseen))
    sums = left_out(rows, samples)
    seen = np.isfinite(sums)
    kept = [row for row, is_seen in zip(rows, seen, strict=True) if is_seen]
    report("on train, its source left out", kept, 1 / (1 + np.exp(-slope * (sums[seen] - middle))))


def scores(model: Model, rows: Sequence[Row]) -> Vector:
    """The score of each text: that of its worst window."""
    return np.array([model.scores(row.text).max() for row in rows])


def report(title: str, rows: Sequence[Row], found: Vector) -> None:
    """Prints recall and false alarms by source, by task and by language."""
    print(f"{title}: label, group, texts, % at 0.5, % at 0.9")
    table(rows, found, lambda row: (str(int(row.is_attack)), row.task, row.source))
    table(rows, found, lambda row: (str(int(row.is_attack)), row.task, "all"))
    table(rows, found, lambda row: (str(int(row.is_attack)), "language", row.lang))


if __name__ == "__main__":
    main()
