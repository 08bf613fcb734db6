"""Runs the cases beside policies and personas: no model, the same result twice."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

from app.catalog.cases import (
    Cases,
    PersonaCase,
    PolicyCase,
    PromptCase,
    Renders,
    meant_by,
)
from app.catalog.check_file import listed
from app.domain.clock import Clock
from app.domain.conversation import Segment
from app.domain.decision import Applied, Outcome
from app.domain.errors import Problem, RequestError
from app.domain.persona import Persona
from app.domain.policy import Stage
from app.domain.protocols import PseudonymScope
from app.guardrails.behaviours import look, resolve
from app.guardrails.context import NO_CONTEXT, Context
from app.guardrails.plan import PolicyPlan
from app.metrics.observed import REFUSED
from app.pipeline.check import check_segments
from app.pipeline.gateway import CheckResult
from app.pipeline.loaded import Loaded

_STAGES = {"tool": Stage.TOOL_RESULT, "assistant": Stage.OUTPUT}
_SCOPE = PseudonymScope("cases", "cases", "cases")
_KEY = bytes(32)


async def run_cases(loaded: Loaded, cases: Cases, clock: Clock) -> tuple[int, tuple[Problem, ...]]:
    """How many expectations were checked, and those that do not hold."""
    checked = [
        *[each async for each in _policies(loaded, cases, clock)],
        *[each async for each in _personas(loaded, cases)],
        *_prompts(loaded, cases),
        *[each async for each in _harmless(loaded, cases, clock)],
    ]
    return len(checked), tuple(problem for problems in checked for problem in problems)


Checked = Sequence[Problem]
"""What is wrong with one thing that a case expects."""


def _problems(file: str, index: int, case: str, wrong: Sequence[str]) -> Checked:
    return [Problem(f"{file}.cases.yaml", 0, 0, f"cases[{index}] ({case})", what) for what in wrong]


async def _policies(loaded: Loaded, cases: Cases, clock: Clock) -> AsyncIterator[Checked]:
    for policy, of_policy in cases.policies.items():
        plan = loaded.plans[policy]
        for index, case in enumerate(of_policy):
            for audience in plan.policy.audiences:
                expected = case.expected(audience)
                if expected is not None:
                    wrong = await _wrong_about_text(loaded, plan, case, audience, expected, clock)
                    yield _problems(f"policies/{policy}", index, case.id, wrong)


async def _personas(loaded: Loaded, cases: Cases) -> AsyncIterator[Checked]:
    for persona, of_persona in cases.personas.items():
        for index, case in enumerate(of_persona):
            if isinstance(case, PersonaCase):
                wrong = _wrong_about_prompt(loaded, persona, case)
                wrong += await _wrong_about_answer(loaded, persona, case)
                yield _problems(f"personas/{persona}", index, case.id, wrong)


def _prompts(loaded: Loaded, cases: Cases) -> Iterator[Checked]:
    for prompt, of_prompt in cases.prompts.items():
        for index, case in enumerate(of_prompt):
            for user in meant_by(case, prompt, loaded.catalog):
                wrong = _wrong_about_template(loaded, user, case)
                yield _problems(f"prompts/{prompt}", index, case.id, wrong)


async def _harmless(loaded: Loaded, cases: Cases, clock: Clock) -> AsyncIterator[Checked]:
    """What a script says that is harmless: policy must not refuse it before a model is asked.

    Whether it is refused where a model has to look first, is for ``banneton eval`` to see.
    """
    every = {each.source: each for suite in cases.suites.values() for each in suite.cases}
    for case in every.values():
        plan = loaded.served[case.persona, case.written.variant].plan
        audience = case.written.audience or plan.policy.default_audience
        for index, turn in enumerate(case.written.turns if case.written.harmless else ()):
            segments = [Segment("text", turn.user, Stage.INPUT)]
            result = await _looked(loaded, plan, audience, segments, clock)
            place = f"({case.id}) turns[{index}].user"
            # What only an outage decides says nothing of the text.
            by = {each.rule for each in result.applied if _refuses(each)}
            told = f"{result.outcome} by {', '.join(sorted(by))}"
            what = f"is harmless, and for {audience} it is refused: {told}"
            at = case.source
            yield [Problem(at.file, at.line, at.column, place, what)] if by else []


def _refuses(applied: Applied) -> bool:
    is_enforced = not applied.is_observed and not applied.is_unchecked
    return is_enforced and Outcome(applied.action) in REFUSED


async def _looked(
    loaded: Loaded,
    plan: PolicyPlan,
    audience: str,
    segments: Sequence[Segment],
    clock: Clock,
    context: Context = NO_CONTEXT,
) -> CheckResult:
    return await check_segments(
        plan,
        audience,
        segments,
        clock=clock,
        pseudonym_key=_KEY,
        catalog=loaded.catalog.digest,
        scope=_SCOPE,
        context=context,
    )


async def _wrong_about_text(  # one case for one audience, and what it runs on
    loaded: Loaded,
    plan: PolicyPlan,
    case: PolicyCase,
    audience: str,
    expected: Outcome,
    clock: Clock,
) -> list[str]:
    result = await _looked(loaded, plan, audience, _segments(case), clock, _context(case))
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


def _context(case: PolicyCase) -> Context:
    """What an answer of the case is held against, as it is in a conversation."""
    said = case.messages or ()
    asked = [message.text for message in said if message.role == "user"]
    documents = tuple(message.text for message in said if message.role == "tool")
    return Context(system=case.system, question=asked[-1] if asked else "", documents=documents)


def _wrong_about_prompt(loaded: Loaded, persona: str, case: PersonaCase) -> list[str]:
    if case.renders is None:
        return []
    try:
        text = (
            loaded.served[persona, case.variant].prompt.compose(case.scenario, case.variables).text
        )
    except RequestError as exc:
        return [f"cannot be composed: {exc.message}"]
    return _wrong_about_text_of(text, case.renders)


def _wrong_about_template(loaded: Loaded, persona: Persona, case: PromptCase) -> list[str]:
    try:
        text = loaded.served[persona.id, None].prompt.compose(case.scenario, case.variables).text
    except RequestError as exc:
        return [f"for {persona.id} it cannot be composed: {exc.message}"]
    missing = [
        f"the prompt does not show {key}"
        for key in listed(case.renders.shows)
        if not all(piece in text for piece in _SHOWN[key](persona, case.scenario))
    ]
    found = [*_wrong_about_text_of(text, case.renders), *missing]
    return [f"for {persona.id} {what}" for what in found]


_SHOWN: Mapping[str, Callable[[Persona, str | None], Sequence[str]]] = {
    "name": lambda persona, _: [persona.name],
    "role": lambda persona, _: [persona.identity.role],
    "readers": lambda persona, _: [persona.identity.readers],
    "values": lambda persona, _: persona.identity.values,
    "behaviours": lambda persona, scenario: [
        each.instruct
        for each in persona.behaviours
        if not each.scenarios or scenario in each.scenarios
    ],
    "scenario": lambda persona, scenario: (
        [] if scenario is None else [persona.scenarios[scenario].instruct]
    ),
}
"""What of a persona its prompt must say, by the key under which cases ask for it."""


def _wrong_about_text_of(text: str, renders: Renders) -> list[str]:
    wanted, unwanted = (listed(each or ()) for each in (renders.contains, renders.lacks))
    return [f"the prompt lacks {piece!r}" for piece in wanted if piece not in text] + [
        f"the prompt has {piece!r}" for piece in unwanted if piece in text
    ]


async def _wrong_about_answer(loaded: Loaded, persona: str, case: PersonaCase) -> list[str]:
    """Measured as a live answer is, but that nothing outside can be asked."""
    if case.answer is None:
        return []
    planned = loaded.served[persona, case.variant].behaviours
    seen = await look(planned, {0: case.answer}, Context(Stage.OUTPUT), None)
    measured = {each.behaviour: each.conduct for each in resolve(planned, seen, 1).measured}
    return [
        f"the behaviour {behaviour} is {measured[behaviour]}, not {expected}"
        for behaviour, expected in case.conduct.items()
        if measured[behaviour] is not expected
    ]
