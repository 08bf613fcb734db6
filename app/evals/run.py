"""Runs the cases beside policies and personas: no model, the same result twice."""

from collections.abc import Iterator, Sequence

from app.catalog.cases import Cases, PersonaCase, PolicyCase
from app.domain.clock import Clock
from app.domain.conversation import Segment
from app.domain.decision import Outcome
from app.domain.errors import Problem, RequestError
from app.domain.policy import Stage
from app.domain.protocols import PseudonymScope
from app.guardrails.context import Context
from app.guardrails.plan import PolicyPlan
from app.pipeline.check import check_segments
from app.pipeline.loaded import Loaded

_STAGES = {"tool": Stage.TOOL_RESULT, "assistant": Stage.OUTPUT}
_SCOPE = PseudonymScope("cases", "cases", "cases")
_KEY = bytes(32)


async def run_cases(loaded: Loaded, cases: Cases, clock: Clock) -> tuple[int, tuple[Problem, ...]]:
    """How many expectations were checked, and those that do not hold."""
    count = 0
    problems: list[Problem] = []
    for policy, policy_cases in cases.policies.items():
        plan = loaded.plans[policy]
        for index, case in enumerate(policy_cases):
            for audience in plan.policy.audiences:
                expected = case.expected(audience)
                if expected is not None:
                    count += 1
                    found = await _wrong_about_text(loaded, plan, case, audience, expected, clock)
                    problems += _problems(f"policies/{policy}", index, case.id, found)
    for persona, persona_cases in cases.personas.items():
        for index, persona_case in enumerate(persona_cases):
            count += 1
            found = _wrong_about_prompt(loaded, persona, persona_case)
            problems += _problems(f"personas/{persona}", index, persona_case.id, found)
    return count, tuple(problems)


def _problems(file: str, index: int, case: str, found: Sequence[str]) -> Iterator[Problem]:
    for what in found:
        yield Problem(f"{file}.cases.yaml", 0, 0, f"cases[{index}] ({case})", what)


async def _wrong_about_text(  # one case for one audience, and what it runs on
    loaded: Loaded,
    plan: PolicyPlan,
    case: PolicyCase,
    audience: str,
    expected: Outcome,
    clock: Clock,
) -> list[str]:
    result = await check_segments(
        plan,
        audience,
        _segments(case),
        clock=clock,
        pseudonym_key=_KEY,
        catalog=loaded.catalog.digest,
        scope=_SCOPE,
        context=Context(system=case.system),
    )
    wrong = []
    applied = {each.rule for each in result.applied}
    if result.outcome is not expected:
        by = f" by {', '.join(sorted(applied))}" if applied else ""
        wrong.append(f"for {audience} the outcome is {result.outcome}{by}, not {expected}")
    wrong += [
        f"for {audience} the rule {rule} did not apply"
        for rule in case.rules
        if rule not in applied and expected is not Outcome.ALLOW
    ]
    return wrong


def _segments(case: PolicyCase) -> tuple[Segment, ...]:
    if case.text is not None:
        return (Segment("text", case.text, case.stage),)
    return tuple(
        Segment(f"messages[{index}]", message.text, _STAGES.get(message.role, Stage.INPUT))
        for index, message in enumerate(case.messages or ())
    )


def _wrong_about_prompt(loaded: Loaded, persona: str, case: PersonaCase) -> list[str]:
    served = loaded.served[persona, case.variant]
    try:
        text = served.prompt.compose(case.scenario, case.variables).text
    except RequestError as exc:
        return [f"cannot be composed: {exc.message}"]
    return [
        f"the prompt lacks {piece!r}" for piece in case.renders.contains if piece not in text
    ] + [f"the prompt has {piece!r}" for piece in case.renders.lacks if piece in text]
