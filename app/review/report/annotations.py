"""Findings at lines of files, as code scanning, merge requests and test reports read them.

One list of findings for ``plan`` and ``check`` alike, and a writer for each format.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote

import orjson

from app.domain.errors import Problem
from app.evals.junit import Ending, JUnitCase, JUnitSuite, junit_xml
from app.review.change import Effect, Located
from app.review.plan import Evidence, Plan, Weakening, weakening_of, weakening_of_flip
from app.review.wording import about, movement_in_words, printable

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_HOME = "https://github.com/banneton/banneton"


class Level(StrEnum):
    """How bad a finding is, in SARIF's words."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


_SEVERITIES = {Level.ERROR: "critical", Level.WARNING: "minor", Level.NOTE: "info"}
"""In the words of GitLab's code quality."""
_LEVELS = {Effect.WEAKER: Level.ERROR, Effect.CHANGED: Level.WARNING, Effect.STRICTER: Level.NOTE}


@dataclass(frozen=True, slots=True)
class Annotation:
    """Something to say about a line."""

    kind: str
    """Groups findings, such as ``weaker/then``."""
    title: str
    """What all of a kind have in common."""
    level: Level
    text: str
    file: str
    line: int
    column: int = 1
    id: str = ""
    """The same for as long as it says the same, wherever it stands."""
    approved: str = ""
    """Who has approved it and why; empty where nobody has."""


def of_plan(plan: Plan) -> list[Annotation]:
    """Changes but for cosmetic ones, and decisions and metrics that are weaker."""
    by_id = {each.id: each for each in plan.weakenings}
    changes = [each for each in plan.review.changes if each.change.effect in _LEVELS]
    found = [_of_change(each, by_id) for each in changes]
    return [*found, *_of_flips(plan), *_of_metrics(plan)]


def _of_change(located: Located, by_id: Mapping[str, Weakening]) -> Annotation:
    change, source = located.change, located.source
    weakening = by_id.get(weakening_of(located).id)
    is_weaker = change.effect is Effect.WEAKER
    return Annotation(
        kind=f"{change.effect}/{change.concern}",
        title=f"{change.effect.capitalize()}: {change.concern}",
        level=_level(_LEVELS[change.effect], weakening if is_weaker else None),
        text=about(located),
        file=source.file if source else "banneton.yaml",
        line=max(source.line, 1) if source else 1,
        column=max(source.column, 1) if source else 1,
        id=weakening_of(located).id,
        approved=_approved(weakening) if is_weaker else "",
    )


def _of_flips(plan: Plan) -> Iterator[Annotation]:
    for flip in plan.replayed.flips if plan.replayed else ():
        weakening = weakening_of_flip(plan, flip)
        if not flip.is_weaker or weakening is None:
            continue
        cause = flip.causes[0] if flip.causes else None
        yield Annotation(
            kind="flip/" + f"{flip.before}-{flip.after}",
            title=f"Recorded decisions: {flip.before} becomes {flip.after}",
            level=_level(Level.ERROR, weakening),
            text=f"{flip.count:,} {weakening.what}",
            file=cause.file if cause else "banneton.yaml",
            line=max(cause.line, 1) if cause else 1,
            id=weakening.id,
            approved=_approved(weakening),
        )


def _of_metrics(plan: Plan) -> Iterator[Annotation]:
    by_what = {each.what: each for each in plan.weakenings if each.evidence is Evidence.METRICS}
    for movement in plan.evaluated.movements if plan.evaluated else ():
        weakening = by_what.get(movement_in_words(movement))
        if weakening is None:
            continue
        yield Annotation(
            kind=f"metric/{movement.metric.id}",
            title=f"Worse beyond noise: {movement.metric.title}",
            level=_level(Level.ERROR, weakening),
            text=weakening.what,
            file="banneton.yaml",
            line=1,
            id=weakening.id,
            approved=_approved(weakening),
        )


def _level(level: Level, weakening: Weakening | None) -> Level:
    return Level.WARNING if weakening is not None and weakening.approved is not None else level


def _approved(weakening: Weakening | None) -> str:
    if weakening is None or weakening.approved is None:
        return ""
    said = weakening.approved.said
    return printable(f"approved by {said.approved_by}: {said.reason}")


def of_check(problems: Sequence[Problem], warnings: Sequence[Problem]) -> list[Annotation]:
    """What ``check`` says of files."""
    return [
        Annotation(
            kind=kind,
            title=title,
            level=level,
            text=printable(f"{each.path}: {each.what}" if each.path else each.what),
            file=each.file,
            line=max(each.line, 1),
            column=max(each.column, 1),
            id=_digest(kind, str(each)),
        )
        for kind, title, level, found in (
            ("check/problem", "Something is wrong in a file", Level.ERROR, problems),
            ("check/warning", "Something looks wrong in a file", Level.WARNING, warnings),
        )
        for each in found
    ]


def sarif(found: Sequence[Annotation], version: str, *, prefix: str = "") -> str:
    """SARIF 2.1.0, for code scanning.

    Args:
        found: What to tell.
        version: Of this program.
        prefix: The project's folder in its repository, with a slash at its end.
    """
    kinds = {each.kind: each.title for each in found}
    rules = [
        {"id": kind, "shortDescription": {"text": _sarif_text(kinds[kind])}}
        for kind in sorted(kinds)
    ]
    driver = {"name": "banneton", "version": version, "informationUri": _HOME, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, prefix) for each in found],
    }
    return _json({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _result(found: Annotation, prefix: str) -> Mapping[str, Any]:
    artifact = {"uri": quote(prefix + found.file), "uriBaseId": "%SRCROOT%"}
    region = {"startLine": found.line, "startColumn": found.column}
    place = {"physicalLocation": {"artifactLocation": artifact, "region": region}}
    made: dict[str, Any] = {
        "ruleId": found.kind,
        "level": found.level,
        "message": {"text": _sarif_text(found.text)},
        "locations": [place],
    }
    if found.id:
        made["partialFingerprints"] = {"banneton/v1": found.id}
    if found.approved:
        made["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": found.approved}
        ]
    return made


def _sarif_text(said: str) -> str:
    """Text in which nothing is a placeholder or a link (3.11.5 and 3.11.6 of the standard)."""
    return said.replace("{", "{{").replace("}", "}}").replace("](", "] (")


def code_quality(found: Sequence[Annotation], *, prefix: str = "") -> str:
    """GitLab's code quality report: it marks lines in a merge request."""
    made = [
        {
            "description": each.text + (f" ({each.approved})" if each.approved else ""),
            "check_name": each.kind,
            "fingerprint": _digest(each.kind, each.id or each.text, each.file),
            "severity": _SEVERITIES[each.level],
            "location": {"path": prefix + each.file, "lines": {"begin": each.line}},
        }
        for each in found
    ]
    return _json(made)


def junit(name: str, found: Sequence[Annotation], *, passed: str) -> str:
    """JUnit XML: a case for each finding that should stop somebody, and one where there is none.

    Args:
        name: Of the whole report.
        found: What to tell. Notes pass, and so does what is approved.
        passed: What the one case is called where nothing stops anybody.
    """
    cases = [
        JUnitCase(
            name=f"{each.file}:{each.line} {each.text}",
            classname=each.kind,
            ending=Ending.FAILURE if each.level is Level.ERROR else None,
            message=each.text if each.level is Level.ERROR else "",
            kind=each.kind if each.level is Level.ERROR else "",
            file=each.file,
            line=each.line,
            properties={"id": each.id, **({"approved": each.approved} if each.approved else {})},
        )
        for each in found
    ]
    if not any(case.ending for case in cases):
        cases.insert(0, JUnitCase(name=passed, classname=name))
    return junit_xml(name, [JUnitSuite(name, cases)])


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"
