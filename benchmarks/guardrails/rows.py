"""Labelled texts, and what each teaches which model."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILES = ("injection", "indirect", "benign", "overrefusal", "harm", "pii", "secrets")
NEVER_FITTED = ("benign_sharealike", "indirect_sharealike")
AUTHORED = "written for the project"

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
TOPICS = ("Tailored Financial Advice", "Political Campaigning")
"""Kinds of harm whose examples are for the most part ordinary questions on a topic."""


@dataclass(frozen=True, slots=True)
class Row:
    """A text, and how far it is an attack on a model, an order inside a document, or harmful.

    A weight below zero says that the text is an example of the opposite; zero, that it says
    nothing.
    """

    text: str
    source: str
    task: str
    lang: str
    injection: float = 0.0
    document: float = 0.0
    harm: float = 0.0
    inserted: str = ""
    """The attack inside a document, where it is known."""
    category: str = ""
    """The source's own word for the kind of harm."""
    group: str = ""
    """Of texts that are translations or twins of one another."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    label: int = 0
    """1 where the detector of its task is to catch it."""
    licence: str = ""
    spans: Sequence[Mapping[str, Any]] = ()
    """Personal data: ``start``, ``end``, ``type``."""


def read(folder: Path, part: str, names: Sequence[str] = FILES) -> list[Row]:
    """All rows of one part."""
    rows = []
    for name in names:
        with gzip.open(folder / part / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows += [_row(name.removesuffix("_sharealike"), json.loads(line)) for line in lines]
    return rows


def _row(task: str, entry: Mapping[str, Any]) -> Row:
    meta = entry["meta"]
    injection, document, harm = _teaches(task, entry)
    return Row(
        entry["text"],
        entry["source"],
        task,
        entry["lang"],
        injection,
        document,
        harm,
        meta.get("inj") or "",
        str(meta.get("cat") or ""),
        str(meta.get("group") or meta.get("twin") or ""),
        meta,
        int(entry["label"] or 0),
        entry["license"],
        entry.get("spans") or (),
    )


def _teaches(task: str, entry: Mapping[str, Any]) -> tuple[float, float, float]:
    """For injection, document and harm."""
    if task in {"injection", "indirect"} and entry["label"]:
        return _attack(task, entry["source"], entry["meta"])
    if task == "harm":
        meta = entry["meta"]
        is_topic = any(name in str(meta.get("cat")) for name in TOPICS)
        return -0.6, 0.0, 0.2 if is_topic else 0.6 if meta.get("noisy") else 1.0
    return {
        "leak": (0.0, 0.0, 0.0),
        "indirect": (-1.0, -1.0, -0.5),
        "pii": (-0.5, -0.5, -0.3),
        "secrets": (-0.5, -0.5, -0.3),
        "overrefusal": (-1.0, 0.0, -1.5),
    }.get(task, (-1.0, -1.0 if _is_document(entry["source"]) else 0.0, -1.0))


def _attack(task: str, source: str, meta: Mapping[str, Any]) -> tuple[float, float, float]:
    is_document = task == "indirect"
    if "CyberSecEval" in source:
        weight = 0.5 if meta.get("variant") in VISIBLE else 0.0
        return weight, weight * is_document, -weight / 2
    if "GCG" in source:
        return 0.5, 0.0, 0.3
    return 1.0, float(is_document), 0.0


def _is_document(source: str) -> bool:
    return "book" in source or "C4" in source


def family(row: Row) -> str:
    """The first word of a source: those who publish several sets write them in one style."""
    return row.source if row.source == AUTHORED else row.source.split()[0].rstrip(":")
