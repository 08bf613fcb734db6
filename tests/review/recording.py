"""Records of exchanges, for tests that decide them again."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from app.domain.decision import Applied, Decision, DetectorRef, Outcome, StageTrace
from app.domain.finding import Finding
from app.domain.policy import Action, Stage
from app.domain.record import Status
from app.ledger.recorded import Recorded
from app.main import load_project
from app.pipeline.loaded import Loaded
from tests.review.projects import BASE, Edits, changed

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@cache
def base() -> Loaded:
    """The project that changes are made to."""
    return load_project(BASE, reads_secrets=False).load()


def edited(folder: Path, edits: Edits) -> Loaded:
    """The project with a change."""
    root = folder / "project"
    shutil.copytree(BASE, root)
    changed(root, edits)
    return load_project(root, reads_secrets=False).load()


def ref_of(loaded: Loaded, persona: str, rule: str) -> DetectorRef:
    """The detector that a rule of a persona's policy uses."""
    plan = loaded.find(persona, None).plan.rules()
    return next(
        each.ref for rules in plan.stages.values() for each in rules.rules if each.id == rule
    )


def seen(
    ref: DetectorRef,
    score: float,
    *,
    category: str = "term",
    path: str = "messages[0].content",
) -> Finding:
    """What a detector said of a text."""
    return Finding(ref.detector, category, score, path, 0, 4, ref.revision, spec=ref.spec)


def trace(loaded: Loaded, persona: str, stage: Stage, *findings: Finding) -> StageTrace:
    """A stage of a persona's policy, where all have looked and saw these."""
    rules = loaded.find(persona, None).plan.rules()
    ran = {each.ref for key, at in rules.stages.items() if key[0] is stage for each in at.rules}
    return StageTrace(stage, tuple(sorted(ran, key=lambda ref: ref.detector)), findings)


def recorded(
    loaded: Loaded,
    persona: str = "ann",
    *,
    request: Sequence[Finding] = (),
    answer: Sequence[Finding] | None = (),
    outcome: Outcome = Outcome.ALLOW,
    applied: Sequence[Applied] = (),
    **more: object,
) -> Recorded:
    """A record, by default of an exchange in which nothing was found."""
    stopping = {Outcome.BLOCK, Outcome.ESCALATE, Outcome.UNCHECKED}
    is_stopped = outcome in stopping and bool(request)
    request_trace = (trace(loaded, persona, Stage.INPUT, *request),)
    answer_trace = () if is_stopped else (trace(loaded, persona, Stage.OUTPUT, *(answer or ())),)
    decisions = [Decision(each.stage) for each in (*request_trace, *answer_trace)]
    if applied:
        at = 0 if request else 1
        decisions[at] = replace(decisions[at], applied=tuple(applied))
    made = Recorded(
        request_id="r1",
        at=NOON,
        persona=persona,
        variant=None,
        audience="public",
        policy=loaded.find(persona, None).persona.policy,
        catalog=loaded.catalog.digest,
        status=Status.COMPLETED,
        input_outcome=outcome if request else Outcome.ALLOW,
        outcome=outcome,
        input=request_trace,
        answer=answer_trace,
        decisions=tuple(decisions),
        stopped=frozenset(),
    )
    return replace(made, **more)  # type: ignore[arg-type]  # checked by its tests


BLOCKED = (Applied("slurs", Action.BLOCK, (0,)),)
