"""Checks that a detector or a judge makes, as they make them of live answers."""

from dataclasses import dataclass
from statistics import median

from app.catalog.check_file import FitsJson, Judged, JudgeFile, Verified
from app.domain.conduct import Conduct, Measured
from app.domain.errors import DetectorError
from app.domain.finding import FLOOR
from app.domain.persona import Behaviour, Verify
from app.domain.protocols import Outside
from app.evals.check_result import CheckResult, LookedAt, failed, held, held_if, not_scored
from app.evals.said import NO_TEXT
from app.guardrails.behaviours import look, plan_behaviour, resolve
from app.guardrails.context import Context
from app.guardrails.plan import Builds


@dataclass(frozen=True, slots=True)
class Means:
    """What checks are made with."""

    builds: Builds
    """Kinds of detectors, and those that were built."""
    outside: Outside | None = None
    """Through which judges are asked; without it what needs one is not scored."""
    timeout_ms: int = 60_000
    """How long a judge or another detector that is waited for may take."""


async def score_verified(check: Verified, at: LookedAt, means: Means) -> CheckResult:
    """What a detector says of the text."""
    return await _verified(check.verify, at.text, at.context, means)


async def score_json(check: FitsJson, at: LookedAt, means: Means) -> CheckResult:
    """Whether the last answer is JSON of the shape."""
    if not at.last:
        return failed("is no JSON: it has no text")
    settings = {"json_schema": check.json_schema}
    verify = Verify(detector="schema", settings=settings, expect="absent")
    return await _verified(verify, at.last, at.context, means)


async def _verified(verify: Verify, text: str, context: Context, means: Means) -> CheckResult:
    measured = await _measured(verify, text, context, means)
    match measured.conduct:
        case Conduct.HELD:
            return held()
        case Conduct.FAILED:
            said = "saw nothing" if verify.expect == "present" else "saw something"
            return failed(f"{verify.detector} {said}")
        case _:
            return not_scored(measured.reason)


async def score_judged(check: Judged, at: LookedAt, means: Means) -> CheckResult:
    """What judges say of the answer, or of the whole conversation."""
    if not at.text:
        return not_scored(NO_TEXT)
    return await ask_judges(check.judge, at.conversation, at.context, means)


async def ask_judges(judge: JudgeFile, text: str, context: Context, means: Means) -> CheckResult:
    """How surely the answer to the question is the expected one: the middle of all judges.

    All of them have to say something: what is left of a panel is another panel.
    """
    scores = []
    for route in judge.routes:
        settings = {
            "question": judge.question,
            "rubric": judge.rubric,
            "expect": judge.expect,
            "route": route,
            "min_score": max(judge.min_score, FLOOR),
            "shows_question": judge.shows_question,
        }
        verify = Verify(
            detector="judge", settings=settings, expect="absent", min_score=judge.min_score
        )
        measured = await _measured(verify, text, context, means)
        if measured.conduct is Conduct.NOT_SCORED:
            return not_scored(measured.reason)
        scores.append(1 - (measured.score or 0.0))
    score = round(median(scores), 3)
    # As a behaviour's judge: the other answer counts from ``min_score`` on.
    why = f"the answer to the question is not {judge.expect}"
    return held_if(1 - score < judge.min_score, why, score)


async def _measured(verify: Verify, text: str, context: Context, means: Means) -> Measured:
    wanted = Behaviour(id="check", instruct="", verify=verify, timeout_ms=means.timeout_ms)
    try:
        planned = plan_behaviour(wanted, verify, 100, means.builds)
    except DetectorError as exc:
        return Measured("check", Conduct.NOT_SCORED, reason=str(exc))
    texts = {0: text} if text else {}
    seen = await look([planned], texts, context, means.outside)
    (measured,) = resolve([planned], seen, 1).measured
    return measured
