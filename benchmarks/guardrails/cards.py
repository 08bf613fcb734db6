"""Model cards: what a model is for, what it was fitted on, how it measures, where it fails."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.guardrails.measures import FEWEST, by, percent, table
from benchmarks.guardrails.rows import AUTHORED, Row
from benchmarks.guardrails.words import FOLDER


@dataclass(frozen=True, slots=True)
class Measured:
    """Scores of texts that the model did not see."""

    title: str
    rows: Sequence[Row]
    scores: Sequence[float]


@dataclass(frozen=True, slots=True)
class Card:
    """All that a card says of a model."""

    name: str
    task: str
    teaches: Callable[[Row], float]
    fitted: Sequence[Row]
    measured: Sequence[Measured]


def write(folder: Path, card: Card) -> None:
    """Write the card as a page."""
    folder.mkdir(parents=True, exist_ok=True)
    head = (FOLDER / "cards" / f"{card.name}.txt").read_text("utf-8").strip()
    parts = [head, "## Fitted on", _fitted(card)]
    for measured in card.measured:
        parts += [f"## {measured.title}", _by(measured, card, "source", 1)]
        parts += ["By language:", _by(measured, card, "lang", FEWEST)]
    (folder / f"{card.name}.md").write_text("\n\n".join(parts) + "\n", "utf-8")


def _fitted(card: Card) -> str:
    counts: Counter[tuple[str, str, bool]] = Counter()
    for row in card.fitted:
        weight = card.teaches(row)
        if weight:
            licence = "CC0-1.0" if row.source == AUTHORED else row.licence
            counts[row.source, licence, weight > 0] += 1
    sources = sorted({(source, licence) for source, licence, _ in counts})
    rows = [
        [source, licence, str(counts[source, licence, True]), str(counts[source, licence, False])]
        for source, licence in sources
    ]
    return table(["source", "licence", "positive", "negative"], rows)


def _by(measured: Measured, card: Card, key: str, fewest: int) -> str:
    """Shares at 0.5 and 0.9: what is to be caught first, then what is to be left alone."""
    lines = []
    for bad in (True, False):
        chosen = [
            (getattr(row, key), score)
            for row, score in zip(measured.rows, measured.scores, strict=True)
            if (bool(row.label) and row.task == card.task) == bad and row.source != AUTHORED
            if bad or not row.label or row.task in {"pii", "secrets"}
        ]
        names = [name for name, _ in chosen]
        half, high = (by(names, [score >= at for _, score in chosen], fewest) for at in (0.5, 0.9))
        kind = "to be caught" if bad else "harmless"
        for name, share in half.items():
            shares = [percent(share.hits, share.of), percent(high[name].hits, share.of)]
            lines.append([kind, name, str(share.of), *shares])
    return table(["", key.replace("lang", "language"), "number", "% at 0.5", "% at 0.9"], lines)
