"""Checks of what happened: calls of tools, decisions, findings, behaviours, time and money."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import orjson

from app.catalog.check_file import (
    Applies,
    AtMost,
    Behaves,
    Call,
    Calls,
    HasFinding,
    HasOutcome,
    RuleApplied,
    Sees,
    listed,
)
from app.domain.conduct import Conduct
from app.domain.conversation import Json
from app.domain.decision import severest
from app.domain.errors import DetectorError
from app.evals.check_result import (
    CheckResult,
    LookedAt,
    all_of,
    failed,
    held,
    held_if,
    not_scored,
)
from app.evals.transcript import ToolCall, Turn
from app.guardrails.json_schema import Schema


def score_calls(check: Calls, at: LookedAt) -> CheckResult:
    """Whether a tool was called, with these arguments."""
    wish = check.calls if isinstance(check.calls, Call) else Call(tool=check.calls)
    calls = [call for turn in at.turns for call in turn.tool_calls if call.name == wish.tool]
    fits = [_fits(wish, call) for call in calls]
    if check.expect == "absent":
        return held_if(True not in fits, f"{wish.tool} was called so")
    if not calls:
        return failed(f"{wish.tool} was not called")
    return held_if(True in fits, f"{wish.tool} was called, with other arguments")


def _fits(wish: Call, call: ToolCall) -> bool:
    try:
        given: Json = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError:
        return not wish.arguments and wish.json_schema is None
    if not _holds(given, dict(wish.arguments)):
        return False
    if wish.json_schema is None:
        return True
    try:
        return not Schema(wish.json_schema).misfits(given, len(call.arguments))
    except (DetectorError, RecursionError, TimeoutError):
        return False


def _holds(given: Json, wanted: Json) -> bool:
    """Whether all that is wanted is there; of mappings, in each of their places."""
    if isinstance(wanted, dict):
        return isinstance(given, dict) and all(
            key in given and _holds(given[key], value) for key, value in wanted.items()
        )
    # 1 and 1.0 are one number in JSON; true and 1 are not the same.
    is_same: bool = given == wanted and isinstance(given, bool) is isinstance(wanted, bool)
    return is_same


def score_outcome(check: HasOutcome, at: LookedAt) -> CheckResult:
    """Whether policy did what it should."""
    outcome = severest(*(turn.outcome for turn in at.turns))
    wanted = listed(check.outcome)
    return held_if(outcome in wanted, f"the outcome is {outcome}, not {' or '.join(wanted)}")


def score_rule(check: Applies, at: LookedAt) -> CheckResult:
    """Whether a rule acted."""
    wish = check.rule if isinstance(check.rule, RuleApplied) else RuleApplied(id=check.rule)
    actions = [
        each.action
        for turn in at.turns
        for each in turn.applied
        if each.rule == wish.id and wish.action in (None, each.action)
    ]
    did = f"the rule {wish.id}" + (f" to {wish.action}" if wish.action else "")
    if check.expect == "absent":
        return held_if(not actions, f"{did} applied")
    return held_if(bool(actions), f"{did} did not apply")


def score_finding(check: HasFinding, at: LookedAt) -> CheckResult:
    """Whether a detector of the policy saw something."""
    wish = check.finding if isinstance(check.finding, Sees) else Sees(detector=check.finding)
    seen = [
        each
        for turn in at.turns
        for each in turn.findings
        if each.detector == wish.detector
        and wish.category in (None, each.category)
        and each.score >= wish.min_score
    ]
    what = wish.detector + (f" {wish.category}" if wish.category else "")
    if check.expect == "absent":
        return held_if(not seen, f"{what} was found")
    return held_if(bool(seen), f"{what} was not found")


def score_behaviours(check: Behaves, at: LookedAt) -> CheckResult:
    """Whether the answers kept to behaviours, as they were measured when they were given."""
    return all_of([_behaved(name, at.turns) for name in listed(check.behaviour)])


def _behaved(name: str, turns: Sequence[Turn]) -> CheckResult:
    last = [[each for each in turn.behaviours if each.behaviour == name][-1:] for turn in turns]
    measured = list(chain.from_iterable(last))
    if any(each.conduct is Conduct.FAILED for each in measured):
        return failed(f"the behaviour {name} failed")
    if out := next((each for each in measured if each.conduct is Conduct.NOT_SCORED), None):
        return not_scored(f"the behaviour {name} could not be measured: {out.reason}")
    if any(each.conduct is Conduct.HELD for each in measured):
        return held()
    return not_scored(f"the behaviour {name} was not measured")


def score_ceilings(check: AtMost, at: LookedAt) -> CheckResult:
    """Whether it took no more than it may."""
    return all_of(list(_ceilings(check, at)))


def _ceilings(check: AtMost, at: LookedAt) -> Iterator[CheckResult]:
    most = check.at_most
    timings = [turn.timings for turn in at.turns]
    usages = [turn.usage for turn in at.turns]
    first = [each.first_token_ms if each else None for each in timings]
    for name, limit, took in (
        (
            "total_ms",
            most.total_ms,
            _over(sum, [each.total_ms if each else None for each in timings]),
        ),
        ("first_token_ms", most.first_token_ms, _over(max, first)),
        ("cost", most.cost, _over(sum, [turn.cost for turn in at.turns])),
        (
            "input_tokens",
            most.input_tokens,
            _over(sum, [each.input_tokens if each else None for each in usages]),
        ),
        (
            "output_tokens",
            most.output_tokens,
            _over(sum, [each.output_tokens if each else None for each in usages]),
        ),
        ("turns", most.turns, len(at.turns)),
    ):
        if limit is None:
            continue
        if took is None:
            yield not_scored(f"{name} is not known")
        else:
            yield held_if(took <= limit, f"{name} is {took:g}; {limit:g} is the most")


def _over(together: Callable[[list[float]], float], values: Sequence[float | None]) -> float | None:
    """Of all turns together; none where it is not known of one of them."""
    known = [value for value in values if value is not None]
    return together(known) if len(known) == len(values) else None
