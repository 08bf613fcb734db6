"""What an answer says about itself: findings and what policy did about them, as JSON.

Only places, kinds and scores. Explanations, matched values and the texts of rules stay inside.
"""

import re
from collections.abc import Iterable

from app.api.compound import Items, Object
from app.api.shapes import NAME, Flag, Id, Number, Word
from app.domain.conduct import Measured
from app.domain.conversation import Json
from app.domain.decision import Applied, Outcome, UncheckedRun
from app.domain.finding import Finding
from app.domain.policy import Action
from app.pipeline.answer import Summary

_MAX_INT = 2**63 - 1
_LINE = Id(re.compile(r"(?s).{0,400}"), "made here or by a detector; quotes nothing")
COUNT = Number(0, _MAX_INT, is_whole=True)
CATALOG = Id(re.compile(r"(?s).{0,100}"), "the catalog's digest")
FINDINGS = Items(
    Object(
        {
            "detector": _LINE,
            "category": _LINE,
            "score": Number(0, 1),
            "path": _LINE,
            "start": COUNT,
            "end": COUNT,
        },
        frozenset({"detector", "category", "score", "path", "start", "end"}),
    )
)
APPLIED = Items(
    Object(
        {
            "rule": _LINE,
            "behaviour": _LINE,
            "action": Word(tuple(Action)),
            "findings": Items(COUNT),
            "observed": Flag(),
            "unchecked": Flag(),
        },
        frozenset({"action", "findings"}),
    )
)
UNCHECKED = Items(
    Object(
        {"detector": _LINE, "path": _LINE, "reason": _LINE},
        frozenset({"detector", "path", "reason"}),
    )
)
OUTCOME = Word(tuple(Outcome))
SUMMARY = Object(
    {
        "request_id": _LINE,
        "persona": NAME,
        "variant": NAME,
        "catalog": CATALOG,
        "outcome": OUTCOME,
        "applied": APPLIED,
        "findings": FINDINGS,
        "unchecked": UNCHECKED,
    },
    frozenset({"request_id", "persona", "catalog", "outcome", "applied", "findings", "unchecked"}),
)


def findings_json(findings: Iterable[Finding]) -> list[Json]:
    """What detectors saw, and where."""
    return [
        {
            "detector": finding.detector,
            "category": finding.category,
            "score": finding.score,
            "path": finding.path,
            "start": finding.start,
            "end": finding.end,
        }
        for finding in findings
    ]


def applied_json(applied: Iterable[Applied]) -> list[Json]:
    """What policy did; ``observed`` and ``unchecked`` stand only where they are true."""
    made: list[Json] = []
    for one in applied:
        line: dict[str, Json] = {
            "rule": one.rule,
            "action": one.action,
            "findings": list(one.findings),
        }
        if one.is_observed:
            line["observed"] = True
        if one.is_unchecked:
            line["unchecked"] = True
        made.append(line)
    return made


def behaviours_json(measured: Iterable[Measured]) -> list[Json]:
    """What was done about behaviours; ``unchecked`` stands only where an outage decided."""
    made: list[Json] = []
    for one in measured:
        if one.action is Action.ALLOW:
            continue
        line: dict[str, Json] = {"behaviour": one.behaviour, "action": one.action, "findings": []}
        if one.is_outage:
            line["unchecked"] = True
        made.append(line)
    return made


def unchecked_json(runs: Iterable[UncheckedRun]) -> list[Json]:
    """Which detectors did not run to their end, on which text, and why."""
    return [{"detector": run.detector, "path": run.path, "reason": run.reason} for run in runs]


def summary_json(summary: Summary) -> dict[str, Json]:
    """What stands under the ``banneton`` key of an answer."""
    return {
        "request_id": summary.request_id,
        "persona": summary.persona,
        "variant": summary.variant,
        "catalog": summary.catalog,
        "outcome": summary.outcome,
        "applied": applied_json(summary.applied) + behaviours_json(summary.behaviours),
        "findings": findings_json(summary.findings),
        "unchecked": unchecked_json(summary.unchecked),
    }
