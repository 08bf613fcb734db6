"""Measures the detectors of personal data against labelled texts.

    python benchmarks/evaluate_pii.py DATA [--split train] [--min-score 0.4] [--names]

``DATA`` is a folder with ``train/`` and ``dev/``, each with ``pii.jsonl.gz`` (``text, source, lang,
spans``; a span has ``start, end, type`` in code points) and ``benign.jsonl.gz`` (``text``). A
finding counts where it overlaps a labelled span of its type, each span and each finding once.
Prints precision, recall and F1 (F2 over all types) by source and by type, and false alarms on
ordinary texts. ``evaluate`` and ``false_alarms`` are what other measurements call.
"""

import argparse
import asyncio
import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.domain.finding import Finding, Found
from app.guardrails.detector import SlowDetector
from app.guardrails.detectors import names, pii
from app.guardrails.passage import Passage
from app.guardrails.recognizers.entities import DEFAULT_ENTITIES, ENTITIES
from app.guardrails.taggers.tagged import ENTITIES as NAMES

Span = tuple[int, int, str]
Find = Callable[[str], Iterable[Finding]]

TYPES = {
    "IBAN_CODE": "IBAN",
    "US_BANK_NUMBER": "BANK_ACCOUNT",
    "US_SSN": "US_SSN",
    "URL": "DOMAIN_NAME",
}
"""What the data calls a kind, where its name does not tell."""
_PARTS = {
    "PASSPORT": "PASSPORT",
    "DRIV": "DRIVER_LICENSE",
    "PLATE": "VEHICLE_PLATE",
    "POSTCODE": "ZIP_CODE",
    "MEDICAL": "MEDICAL_ID",
}
"""Parts of names that tell."""
_SAME = (
    "PERSON LOCATION ORGANIZATION NRP AGE TITLE EMAIL_ADDRESS PHONE_NUMBER CREDIT_CARD CRYPTO "
    "IP_ADDRESS MAC_ADDRESS DATE_TIME DATE_OF_BIRTH STREET_ADDRESS ZIP_CODE BANK_ACCOUNT USERNAME "
    "VEHICLE_VIN IMEI"
)
TYPES |= {name: name for name in _SAME.split()}
UNSTRUCTURED = frozenset(("PERSON", "LOCATION", "ORGANIZATION", "NRP", "AGE", "TITLE", "DATE_TIME"))
"""What needs a model, or is seldom personal."""
ASKED = frozenset(("DOMAIN_NAME", "URL", "USERNAME"))
"""What rules look for only when asked."""
RESEARCH = "presidio-research"


def type_of(category: str) -> str:
    """What the data calls a kind of ours."""
    if category in TYPES:
        return TYPES[category]
    return next((name for part, name in _PARTS.items() if part in category), "NATIONAL_ID")


@dataclass(slots=True)
class Count:
    """Spans that were found, findings of nothing, and spans that were missed."""

    hits: int = 0
    false: int = 0
    missed: int = 0

    def add(self, hits: int, false: int, missed: int) -> None:
        """Count some more."""
        self.hits += hits
        self.false += false
        self.missed += missed

    @property
    def precision(self) -> float:
        """Which share of the findings is right."""
        return self.hits / ((self.hits + self.false) or 1)

    @property
    def recall(self) -> float:
        """Which share of the spans is found."""
        return self.hits / ((self.hits + self.missed) or 1)

    def f(self, beta: float = 1.0) -> float:
        """F score; with ``beta`` 2 recall weighs more."""
        weight = beta * beta
        below = weight * self.recall + self.precision
        return (1 + weight) * self.precision * self.recall / below if below else 0.0


@dataclass(slots=True)
class Report:
    """What came of a measurement."""

    sources: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    types: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    by_source: dict[tuple[str, str], Count] = field(default_factory=lambda: defaultdict(Count))
    """By source and type."""
    misses: list[dict[str, Any]] = field(default_factory=list)


def evaluate(
    rows: Iterable[dict[str, Any]],
    find: Find,
    *,
    ignored: frozenset[str] = UNSTRUCTURED | ASKED,
) -> Report:
    """Compare findings with labels.

    Args:
        rows: ``text``, ``source`` and ``spans``.
        find: What is found in a text, with the scores that count.
        ignored: Types that are neither required nor counted; findings that overlap a label of such
            a type are not counted either.
    """
    report = Report()
    for row in rows:
        labels = [(s["start"], s["end"], s["type"]) for s in row.get("spans") or ()]
        beside = [label for label in labels if label[2] in ignored]
        wanted = [label for label in labels if label[2] not in ignored]
        found = [
            span
            for span in sorted({(f.start, f.end, type_of(f.category)) for f in find(row["text"])})
            if span[2] not in ignored and not any(_overlap(span, label) > 0 for label in beside)
        ]
        missed, false = _unmatched(wanted, found)
        outcomes = [
            *((label, (0, 0, 1) if label in missed else (1, 0, 0)) for label in wanted),
            *((span, (0, 1, 0)) for span in false),
        ]
        for span, count in outcomes:
            report.sources[row["source"]].add(*count)
            report.types[span[2]].add(*count)
            report.by_source[row["source"], span[2]].add(*count)
        report.misses += [{"what": "missed", "span": span, **row} for span in sorted(missed)]
        report.misses += [{"what": "false", "span": span, **row} for span in sorted(false)]
    return report


def _overlap(one: Span, other: Span) -> int:
    return min(one[1], other[1]) - max(one[0], other[0])


def _unmatched(wanted: Sequence[Span], found: Sequence[Span]) -> tuple[set[Span], set[Span]]:
    """Labels and findings without a partner; each label takes the finding it overlaps most."""
    free = set(found)
    missed: set[Span] = set()
    for label in wanted:
        near = [span for span in free if span[2] == label[2] and _overlap(label, span) > 0]
        if near:
            free.remove(max(near, key=lambda span: (_overlap(label, span), span)))
        else:
            missed.add(label)
    return missed, free


def false_alarms(rows: Iterable[dict[str, Any]], find: Find) -> tuple[int, int, dict[str, int]]:
    """How many texts there are, how many have a finding, and how many have one of each kind."""
    total, flagged = 0, 0
    kinds: dict[str, int] = defaultdict(int)
    for row in rows:
        categories = {finding.category for finding in find(row["text"])}
        total += 1
        flagged += bool(categories)
        for category in categories:
            kinds[category] += 1
    return total, flagged, dict(kinds)


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def structured(min_score: float) -> Find:
    """What the pii detector finds of every kind that it knows."""
    settings = pii.PiiSettings(entities=tuple(ENTITIES), min_score=min_score)
    detector = pii.KIND.build(settings)

    def find(text: str) -> list[Finding]:
        detection = detector.inspect(Passage(text))  # type: ignore[union-attr]  # it is local
        found = detection.findings if isinstance(detection, Found) else ()
        return [finding for finding in found if pii.KIND.selects(settings, finding)]

    return find


def named(min_score: float = 0.6) -> Find:
    """What the names detector finds; needs the extra ``ner``."""
    settings = names.NamesSettings(entities=tuple(NAMES), min_score=min_score)
    detector = names.KIND.build(settings)
    assert isinstance(detector, SlowDetector)  # noqa: S101  # it is

    def find(text: str) -> list[Finding]:
        detection = asyncio.run(detector.inspect_slowly(Passage(text)))
        found = detection.findings if isinstance(detection, Found) else ()
        return [finding for finding in found if names.KIND.selects(settings, finding)]

    return find


def _line(name: str, count: Count, beta: float = 1.0) -> str:
    total = count.hits + count.missed
    scores = f"{count.precision:.3f} / {count.recall:.3f} / {count.f(beta):.3f}"
    return f"{name:<36} {scores}  n={total} false={count.false}"


def _print(title: str, report: Report) -> None:
    print(f"precision / recall / F1, {title}")
    for name, count in sorted(report.sources.items()) + sorted(report.types.items()):
        print(_line(name, count))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", choices=("train", "dev"), default="dev")
    parser.add_argument("--min-score", type=float, default=0.4)
    parser.add_argument("--names", action="store_true", help="with the extra ner")
    chosen = parser.parse_args()
    folder = chosen.data / chosen.split
    find, wanted = structured(chosen.min_score), frozenset(DEFAULT_ENTITIES)
    rows = read(folder / "pii.jsonl.gz")
    _print("structured kinds", evaluate(rows, find))
    if chosen.names:
        forms, people = find, named()

        def find(text: str) -> list[Finding]:
            return [*forms(text), *people(text)]

        wanted |= set(NAMES) - {"NRP"}
        report = evaluate(rows, find, ignored=frozenset(("DOMAIN_NAME",)))
        _print("all types", report)
        research = Count()
        for source, count in report.sources.items():
            if source.startswith(RESEARCH):
                research.add(count.hits, count.false, count.missed)
        print(_line(f"{RESEARCH}, F2", research, beta=2.0))
    total, flagged, kinds = false_alarms(
        read(folder / "benign.jsonl.gz"),
        lambda text: [each for each in find(text) if each.category in wanted],
    )
    print(f"{1000 * flagged / total:.1f} of 1,000 ordinary texts have a finding: {kinds}")


if __name__ == "__main__":
    main()
