"""What the encoder is fitted on: the labelled rows, and texts made from them and from phrases."""

import gzip
import json
import random
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.guardrails.drawn import authored
from benchmarks.guardrails.rows import VISIBLE
from benchmarks.guardrails.rows import Row as Labelled
from benchmarks.guardrails.rows import read as read_labelled

HEADS = ("injection", "indirect", "harm")
TASKS = ("injection", "harm", "benign", "overrefusal", "indirect")
HERE = Path(__file__).parent
DOCUMENTS = HERE / "document_phrases.toml"
SPOKEN = HERE / "encoder_phrases.toml"
COMPOSED_ROWS = 2500
SHORT, LONG = 160, 500
"""Letters of a request that is put into a document, and of a document that is cut."""
LEAST, MOST_ASKED = 15, 300
"""Letters of a request that a frame is put around."""
SPOKEN_SOURCE = "sentences and frames written for the encoder"
COMPOSED = "documents composed for the encoder"
MIXED = "CC0-1.0; in part around texts of the sources above"

Labels = Mapping[str, tuple[float, float]]
"""For each head that a text says something about: the label, and how much it counts."""


@dataclass(frozen=True, slots=True)
class Row:
    """A text, and what each head is to make of it."""

    text: str
    labels: Labels
    source: str
    task: str
    lang: str
    license: str
    inserted: str = ""
    """The order inside a document, where it is known."""
    meta: Mapping[str, Any] = field(default_factory=dict)


def read(folder: Path, part: str, tasks: Sequence[str] = TASKS) -> list[Row]:
    """All rows of one part of the data."""
    rows = []
    for task in tasks:
        with gzip.open(folder / part / f"{task}.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows += [_row(json.loads(line)) for line in lines]
    return [row for row in rows if row.text.strip()]


def _row(entry: Mapping[str, Any]) -> Row:
    meta, task = entry["meta"], entry["task"]
    return Row(
        entry["text"],
        _labels(task, int(entry["label"]), entry["source"], meta),
        entry["source"],
        task,
        entry["lang"],
        entry["license"],
        meta.get("inj") or "",
        meta,
    )


ATTACK: Labels = {"injection": (1.0, 1.0), "indirect": (1.0, 1 / 3)}
TAUGHT: Mapping[tuple[str, int], Labels] = {
    ("injection", 1): ATTACK,
    ("jailbreak", 1): ATTACK,
    ("injection", 0): {"injection": (0.0, 1.5), "harm": (0.0, 1.0)},
    ("harm", 1): {"harm": (1.0, 1.0), "injection": (0.0, 0.7)},
    ("overrefusal", 0): {"injection": (0.0, 2.0), "harm": (0.0, 2.0)},
    ("indirect", 1): {"indirect": (1.0, 1.0)},
    ("indirect", 0): {"indirect": (0.0, 1.0), "injection": (0.0, 0.5), "harm": (0.0, 0.5)},
    ("benign", 0): {"injection": (0.0, 1.0), "harm": (0.0, 1.0)},
}


def _labels(task: str, label: int, source: str, meta: Mapping[str, Any]) -> Labels:
    labels = dict(TAUGHT[task, label])
    if task == "harm" and meta.get("noisy"):
        labels["harm"] = (1.0, 0.5)
    if task == "benign" and meta.get("kind") == "document":
        labels["indirect"] = (0.0, 0.5)
    if "GCG" in source:
        labels["harm"] = (1.0, 0.5)
    if label and task == "injection" and "CyberSecEval" in source:
        counts = 0.7 if meta.get("variant") in VISIBLE else 0.0
        labels = {head: (1.0, counts * weight) for head, (_, weight) in labels.items()}
    return labels


_CHOICE = re.compile(r"\{([^{}]*\|[^{}]*)\}")
_NAMED = re.compile(r"<(name|address|amount|number|link|subject|country|digit)>")


class Phrases:
    """Lines to draw sentences from."""

    def __init__(self, path: Path, seed: int) -> None:
        self.lines: dict[str, list[str]] = tomllib.loads(path.read_text("utf-8"))
        self.chance = random.Random(seed)  # noqa: S311  # the same sentences every time

    def draw(self, name: str) -> str:
        """A sentence of one list."""
        return self.fill(self.chance.choice(self.lines[name]))

    def fill(self, line: str) -> str:
        """The line with every choice made."""
        while match := _CHOICE.search(line):
            choice = self.chance.choice(match[1].split("|"))
            line = line[: match.start()] + choice + line[match.end() :]
        line = _NAMED.sub(lambda match: self.chance.choice(self.lines[match[1]]), line)
        return line.replace("¦", "|")


def composed(rows: Sequence[Row], count: int) -> list[Row]:
    """Documents and tool results, half of them with an order to the model inside."""
    phrases = Phrases(DOCUMENTS, 11)
    chance = phrases.chance
    texts = [r.text for r in rows if r.task == "benign" and r.meta.get("kind") == "document"]
    texts += [row.text for row in rows if row.task == "indirect" and not row.inserted]
    orders = [row.text for row in rows if row.task == "benign" and len(row.text) < SHORT]
    seen = [row.inserted for row in rows if row.task == "indirect" and row.inserted]
    made = []
    for _ in range(count):
        body = _body(phrases, texts)
        holder = chance.choice(phrases.lines["holders"])
        order = _order(phrases, orders, seen) if chance.random() < 1 / 2 else ""
        document = phrases.fill(holder)
        is_json = document.startswith(("{", "["))
        if order:
            at = chance.choice((0, len(body), _break(body, chance)))
            gap = chance.choice((" ", "\n", "\n\n"))
            body = body[:at] + (gap if at else "") + order + gap + body[at:]
            if chance.random() < 3 / 20:
                body = order
        if is_json:
            body, order = (json.dumps(part, ensure_ascii=False)[1:-1] for part in (body, order))
        text = document.replace("<body>", body.strip())
        label = (1.0, 1.0) if order else (0.0, 1.0)
        labels: Labels = {"indirect": label}
        if not order:
            labels = {"indirect": label, "injection": (0.0, 0.5), "harm": (0.0, 0.5)}
        made.append(Row(text, labels, COMPOSED, "indirect", "", MIXED, order.strip()))
    return made


def _body(phrases: Phrases, texts: Sequence[str]) -> str:
    chance = phrases.chance
    parts = [phrases.draw("asides") for _ in range(chance.choice((0, 1, 1, 2, 3)))]
    if not parts or chance.random() < 3 / 5:
        text = chance.choice(texts)
        start = 0 if len(text) < LONG else text.find(" ", chance.randrange(len(text) - 300)) + 1
        parts.insert(
            chance.randrange(len(parts) + 1), text[start : start + chance.randrange(60, 700)]
        )
    return chance.choice((" ", "\n", "\n\n")).join(parts)


def _break(body: str, chance: random.Random) -> int:
    breaks = [match.end() for match in re.finditer(r"[.!?。！？।]\s*|\n", body)]
    return chance.choice(breaks or [len(body)])


def _order(phrases: Phrases, requests: Sequence[str], seen: Sequence[str]) -> str:
    chance = phrases.chance
    kind = chance.random()
    if kind < 1 / 5:
        return chance.choice(seen)
    if kind < 7 / 20:  # anything that one can ask for, if it is announced
        opening = phrases.fill(chance.choice([o for o in phrases.lines["openings"] if o]))
        return opening + chance.choice(requests) + phrases.draw("closings")
    return phrases.draw("openings") + phrases.draw("orders") + phrases.draw("closings")


def window(row: Row, size: int, chance: random.Random) -> str:
    """At most ``size`` code points of a row that still have its labels."""
    text = row.text
    if len(text) <= size:
        return text
    at = text.find(row.inserted) if row.inserted else -1
    if at < 0:
        starts = (0, 0, chance.randrange(len(text) - size))
        start = chance.choice(starts)
    else:
        room = max(size - len(row.inserted), 0)
        start = min(max(at - chance.randrange(room + 1), 0), len(text) - size)
    return text[start : start + size]


def fitted_on(data: Path) -> list[Row]:
    """All that the encoder is fitted on."""
    rows = read(data, "train")
    rows += composed(rows, COMPOSED_ROWS) + spoken(rows)
    rows += from_authored(authored(read_labelled(data, "train")))
    return [row for row in rows if any(weight for _, weight in row.labels.values())]


def from_authored(rows: Iterable[Labelled]) -> list[Row]:
    """What was written for training, for all models: a weight below 0 is one of the opposite."""
    return [
        Row(
            row.text,
            {
                head: (float(weight > 0), abs(weight))
                for head, weight in zip(HEADS, (row.injection, row.document, row.harm), strict=True)
                if weight
            },
            row.source,
            "authored",
            row.lang,
            MIXED,
            row.inserted,
        )
        for row in rows
    ]


_RULES = ("═", "=", "-", "#", "*", "─", "█", "~")


def spoken(rows: Sequence[Row]) -> list[Row]:
    """What was written for the encoder: follow-ups, frames around requests, statements."""
    phrases = Phrases(SPOKEN, 29)
    chance = phrases.chance
    short = [row for row in rows if LEAST < len(row.text) < MOST_ASKED]
    harmful = [row.text for row in short if row.task == "harm" and not row.meta.get("noisy")]
    harmless = [row.text for row in short if row.task in {"benign", "overrefusal"}]
    clean: Labels = {"injection": (0.0, 1.0), "harm": (0.0, 1.0)}
    bad: Labels = {"harm": (1.0, 1.0), "injection": (0.0, 0.5)}
    kinds: tuple[tuple[str, Sequence[str], Labels, int], ...] = (
        ("follow_ups", [""], clean, 1000),
        ("lawless", harmful, {"injection": (1.0, 1.0), "indirect": (1.0, 0.3)}, 900),
        ("lawless", harmless, {"injection": (1.0, 0.8), "indirect": (1.0, 0.3)}, 600),
        ("framed", harmless, clean, 1400),
        ("asked", _wanted(harmful), bad, 1800),
        ("asked", _wanted(harmless), clean, 900),
        ("harmful", [""], bad, 900),
        ("harmless", [""], clean, 700),
    )
    made = {}
    for name, requests, labels, count in kinds:
        for _ in range(count):
            rule = chance.choice(_RULES) * chance.randrange(12, 60)
            text = phrases.draw(name).replace("<rule>", rule).replace("*", chance.choice(requests))
            made[text.strip()] = Row(text.strip(), labels, SPOKEN_SOURCE, "authored", "", MIXED)
    return list(made.values())


_HOW = re.compile(r"(?i)\bhow (?:to|can i|do i|could i) ([^.?!\n]{10,90})[.?]?$")


def _wanted(requests: Sequence[str]) -> list[str]:
    """What is wanted in requests of the form "how to …"."""
    return [found[1] for text in requests if (found := _HOW.search(text))]
