"""Let a detector look at the text of a row, with the context that the row gives."""

import asyncio
from typing import Any

from app.domain.conversation import Tool
from app.domain.finding import Detection, Finding
from app.domain.policy import Stage
from app.guardrails.context import Context
from app.guardrails.detector import Detector, DetectorKind, RemoteDetector, SlowDetector
from app.guardrails.passage import Passage
from tests.guardrails.detectors.tables import Row, findings


def context_of(row: Row) -> Context:
    """What the row says of what its text belongs to."""
    return Context(
        stage=Stage(row.get("stage", "input")),
        system=row.get("system", ""),
        question=row.get("question", ""),
        documents=tuple(row.get("documents", ())),
        tools=tuple(Tool(name, parameters=p) for name, p in row.get("offers", {}).items()),
        tool=row.get("tool"),
        answer_schema=row.get("answer_schema"),
        of=row.get("of", ""),
    )


def passage_of(row: Row) -> Passage:
    """The row's text; arguments of a call are JSON."""
    is_json = row.get("is_json", row.get("of") == "arguments")
    return Passage(row["text"], is_json=is_json, context=context_of(row))


def detect(detector: Detector, passage: Passage) -> Detection:
    """What a detector says that runs in this process."""
    if isinstance(detector, SlowDetector):
        return asyncio.run(detector.inspect_slowly(passage))
    assert not isinstance(detector, RemoteDetector)
    return detector.inspect(passage)


def look(kind: DetectorKind[Any], row: Row) -> tuple[Finding, ...]:
    """The findings that a rule with the row's settings is about."""
    settings = kind.settings.model_validate(row.get("settings", {}))
    found = findings(detect(kind.build(settings), passage_of(row)))
    return tuple(finding for finding in found if kind.selects(settings, finding))


def check_caught(kind: DetectorKind[Any], row: Row) -> None:
    """The row's findings: their categories, where the first one is, what its explanation holds."""
    found = look(kind, row)
    assert [finding.category for finding in found] == row["finds"]
    if "marks" in row:
        assert row["text"][found[0].start : found[0].end] == row["marks"]
    if "says" in row:
        assert row["says"] in found[0].explanation
