"""Whether what a case asks of an answer holds: held, failed, or not scored, and why."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from app.catalog.check_file import (
    Applies,
    AtMost,
    Behaves,
    Calls,
    Check,
    CheckFile,
    Contains,
    ContainsAny,
    Equals,
    FitsJson,
    HasFinding,
    HasOutcome,
    Judged,
    Lacks,
    Similar,
    Verified,
    kind_of,
)
from app.evals.asking import Means, score_json, score_judged, score_verified
from app.evals.check_result import CheckResult, LookedAt, looked_at, not_scored
from app.evals.happened import (
    score_behaviours,
    score_calls,
    score_ceilings,
    score_finding,
    score_outcome,
    score_rule,
)
from app.evals.said import (
    score_contains,
    score_contains_any,
    score_equals,
    score_lacks,
    score_similar,
)
from app.evals.transcript import Transcript


async def score(
    check: Check, transcript: Transcript, means: Means, turn: int | None = None
) -> CheckResult:
    """Make one check.

    Args:
        check: What is asked.
        transcript: What happened.
        means: What it is made with.
        turn: Which turn it is about, counted from 0; none for the whole conversation. There, what
            must or may not be in the text is looked for in all answers; what an answer has to be
            equal to, like, or of which form, is asked of the last one.
    """
    at = looked_at(transcript, turn)
    if isinstance(at, str):
        result = not_scored(at)
    elif isinstance(check, Judged):
        result = await score_judged(check, at, means)
    elif isinstance(check, Verified):
        result = await score_verified(check, at, means)
    elif isinstance(check, FitsJson):
        result = await score_json(check, at, means)
    else:
        result = _PLAIN[type(check)](check, at)
    return replace(result, check=kind_of(check), turn=turn)


_PLAIN: Mapping[type[CheckFile], Callable[[Any, LookedAt], CheckResult]] = {
    Contains: score_contains,
    ContainsAny: score_contains_any,
    Lacks: score_lacks,
    Equals: score_equals,
    Similar: score_similar,
    Calls: score_calls,
    HasOutcome: score_outcome,
    Applies: score_rule,
    HasFinding: score_finding,
    Behaves: score_behaviours,
    AtMost: score_ceilings,
}
