"""Fits the linear models that are shipped, and writes their cards. Deterministic.

    python -m benchmarks.guardrails.train DATA

``DATA`` is a folder as ``docs/reference/data.md`` describes it. Fits on ``train/``, sets the scores
on ``dev/``, and measures on ``dev/``, on files that are never fitted on, and on ``train/`` with
models that saw no text of the source's family. Writes ``app/guardrails/weights/`` and
``docs/reference/models/``.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np

from app.domain.policy import Stage
from app.guardrails.context import Context
from app.guardrails.detectors.harm import Category
from app.guardrails.linear import Calibration, Head, doubt, readings
from app.guardrails.passage import Passage
from benchmarks.guardrails.cards import Card, Measured, write
from benchmarks.guardrails.drawn import authored
from benchmarks.guardrails.fit import Samples, Vector, fit, fit_classes, of_a_byte, sample
from benchmarks.guardrails.hazards import hazard
from benchmarks.guardrails.rows import AUTHORED, NEVER_FITTED, Row, family, read
from benchmarks.guardrails.techniques import techniques

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "app" / "guardrails" / "weights"
CARDS = ROOT / "docs" / "reference" / "models"
FOLDS = 3
MOST_HARMFUL = 0.2
"""What harmful texts of a language count, of what its harmless ones do."""
WELL_KNOWN = frozenset({"en", "zh"})
"""Languages of which the data has harmless texts of many kinds."""
TAIL = 0.03
"""The share of harmless texts with the highest sums, from which the scores are set."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of the models, and what it learns from and is measured on."""

    name: str
    cut: str
    bits: int
    """The binary logarithm of the number of weights."""
    strength: float
    """The inverse of the penalty on large weights."""
    largest: float
    """The quantile of the weights' sizes above which they are cut."""
    chance: float
    steady: float
    """For both see ``Head``; chosen on ``dev`` and on families of sources left out."""
    teaches: Callable[[Row], float]
    task: str
    """Whose positives it is to catch."""
    is_harmless: Callable[[Row], bool]
    """The texts on which scores are set."""


PARTS = (
    Part(
        "injection",
        "wide",
        20,
        1.5,
        1.0,
        1.0,
        1.0,
        lambda row: row.injection,
        "injection",
        lambda row: row.task == "benign",
    ),
    Part(
        "harm",
        "both",
        18,
        5.0,
        0.9997,
        2.0,
        0.0,
        lambda row: row.harm,
        "harm",
        lambda row: row.task == "benign",
    ),
    Part(
        "documents",
        "sentences",
        20,
        5.0,
        1.0,
        1.0,
        0.0,
        lambda row: row.document,
        "indirect",
        lambda row: row.document < 0 and row.task in {"benign", "indirect"},
    ),
)


def taught(data: Path) -> list[Row]:
    """All that is fitted on: the data, the inserted attacks on their own, and what was written."""
    rows = read(data, "train")
    alone = [
        replace(row, text=row.inserted, injection=0.7 * row.injection, document=0.7 * row.document)
        for row in rows
        if row.label and row.inserted
    ]
    drawn = [*authored(rows), *techniques(rows)]
    rows += alone + list({row.text: row for row in drawn}.values())
    rows = _balanced(rows)
    return rows + [replace(row, text=text) for row in rows for text in _others(row.text)]


def _balanced(rows: Sequence[Row]) -> list[Row]:
    """The same, but in no language beside English and Chinese do harmful texts count much.

    Else a model learns that a language is harmful: the data has harmful requests in languages in
    which it has little else.
    """
    harmful: dict[str, float] = defaultdict(float)
    harmless: dict[str, float] = defaultdict(float)
    for row in rows:
        harmful[row.lang] += max(row.harm, 0)
        harmless[row.lang] += max(-row.harm, 0)
    shares = {
        lang: min(1.0, MOST_HARMFUL * harmless[lang] / total)
        for lang, total in harmful.items()
        if total and lang not in WELL_KNOWN
    }
    return [
        replace(row, harm=row.harm * shares.get(row.lang, 1.0)) if row.harm > 0 else row
        for row in rows
    ]


def _others(text: str) -> Iterator[str]:
    """Readings of a text that detectors look at as well."""
    passage = Passage(text)
    yield from (each.layer.text for each in readings(passage) if each.layer.name == "undrawn")
    if folded := _folded(passage):
        yield folded


def _folded(passage: Passage) -> str:
    """The folded reading of a text in letters other than Latin and Chinese ones, if there is one.

    Detectors read that too; what differs in signs alone has the same features.
    """
    text = passage.original
    named = next((layer.text for layer in passage.layers if layer.name == "folded"), "")
    differs = any(one != other and one.isalpha() for one, other in zip(text, named, strict=False))
    return named if differs else ""


def highest(head: Head, rows: Sequence[Row]) -> Vector:
    """For each text the highest sum over all its readings, as the detector sees it."""
    return np.array([_highest(head, row.text) for row in rows])


def _highest(head: Head, text: str) -> float:
    passage = Passage(text, context=Context(stage=Stage.INPUT))
    sums = [float(head.judged(reading)[1].max()) for reading in readings(passage)]
    return max(sums, default=-100.0)


def calibrated(sums: Vector) -> Calibration:
    """From the highest sums of harmless texts.

    A score is set to ``0.01 / (0.01 + f)``, where ``f`` is the share of harmless texts that score
    higher: 0.5 at one in a hundred, 0.9 at one in a thousand. Above the last few of them, that
    share is taken to fall as an exponential does.
    """
    tail = np.sort(sums)[::-1]
    least = tail[int(TAIL * len(tail))]
    rate = 1 / float(np.mean(tail[: int(TAIL * len(tail))] - least))
    return Calibration(rate, float(least + np.log(TAIL / 0.01) / rate))


def left_out(part: Part, rows: Sequence[Row], samples: Samples) -> Vector:
    """For each text the sum that a model gives which saw no text of its source's family."""
    families = sorted({family(row) for row in rows if row.source != AUTHORED})
    fold_of = {name: number % FOLDS for number, name in enumerate(families)} | {AUTHORED: -1}
    folds = np.array([fold_of[family(row)] for row in rows])
    teaches = np.array([part.teaches(row) for row in rows])
    best = np.full(len(rows), -np.inf)
    for fold in range(FOLDS):
        weights, bias = fit(samples, np.where(folds == fold, 0.0, teaches), part.strength)
        sums = samples.features @ weights.astype(np.float32) + bias
        firsts = np.flatnonzero(np.diff(samples.row, prepend=-1))
        for number, of_text in zip(samples.row[firsts], np.split(sums, firsts[1:]), strict=True):
            if folds[number] == fold:
                length = len(rows[number].text)
                best[number] = of_text.max() - doubt(of_text, length, part.chance, part.steady)
    return best


def scored(head: Head, sums: Vector) -> list[float]:
    """What these sums mean."""
    return [float(score) for score in head.calibration.score(sums)]


def make(part: Part, rows: Sequence[Row], dev: Sequence[Row]) -> tuple[Head, Samples]:
    """The model, with its scores set."""
    samples = sample(rows, part.cut).of_bits(part.bits)
    teaches = np.array([part.teaches(row) for row in rows])
    model = of_a_byte(*fit(samples, teaches, part.strength), part.largest)
    head = Head(model, part.cut, part.chance, part.steady, Calibration(1.0, 0.0))
    harmless = highest(head, [row for row in dev if part.is_harmless(row)])
    return replace(head, calibration=calibrated(harmless)), samples


def main() -> None:
    """Fit, set the scores, write, measure."""
    parser = argparse.ArgumentParser(description="Fit the linear models that are shipped.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--without-cards", action="store_true", help="only the weights")
    given = parser.parse_args()
    rows, dev = taught(given.data), read(given.data, "dev")
    unseen = [row for part in ("train", "dev") for row in read(given.data, part, NEVER_FITTED)]
    WEIGHTS.mkdir(exist_ok=True)
    made = {}
    for part in PARTS:
        head, samples = made[part.name] = make(part, rows, dev)
        (WEIGHTS / f"{part.name}.weights").write_bytes(head.dump())
        print(f"{part.name}: {head.calibration}", flush=True)
        if part.name == "harm":
            labels = [hazard(row.category) if row.harm > 0 else "" for row in rows]
            classes = fit_classes(samples, labels, get_args(Category))
            (WEIGHTS / "harm-categories.weights").write_bytes(classes.dump())
    for part in () if given.without_cards else PARTS:
        head, samples = made[part.name]
        sums = left_out(part, rows, samples)
        kept = [number for number in range(len(rows)) if np.isfinite(sums[number])]
        measured = (
            Measured("On held-out texts", dev, scored(head, highest(head, dev))),
            Measured("Never fitted on", unseen, scored(head, highest(head, unseen))),
            Measured(
                "Whole families of sources left out",
                [rows[number] for number in kept],
                scored(head, sums[kept]),
            ),
        )
        write(CARDS, Card(part.name, part.task, part.teaches, rows, measured))


if __name__ == "__main__":
    main()
