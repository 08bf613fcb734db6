"""What each persona of a project is like: who it is, how it talks, and what policy stops.

Nothing here is written for the page: the turns are recorded, and policy is run on its own cases.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from app.catalog.cases import Cases, PolicyCase
from app.catalog.conversation_case import ConversationCase
from app.domain.clock import Clock
from app.domain.conversation import Message, Origin, Role, Segment, TextPart
from app.domain.decision import Outcome
from app.domain.events import TextDelta
from app.domain.persona import Persona
from app.domain.policy import Action, Policy, Rule, Stage, Steps, rule_by_id
from app.domain.protocols import PseudonymScope
from app.domain.recording import Purpose, Recording
from app.guardrails.context import Context
from app.guardrails.plan import PolicyPlan
from app.pipeline.check import check_segments
from app.pipeline.gateway import CheckResult
from app.pipeline.loaded import Loaded, Served
from app.pipeline.replies import reply_to

_STOPS = (Outcome.ESCALATE, Outcome.BLOCK)
_AS_SAID = (Outcome.ALLOW, Outcome.FLAG)
"""Where the model sees what the user wrote: else the answer may speak of pseudonyms."""
_CHINESE = re.compile("[\u4e00-\u9fff]")
_SCOPE = PseudonymScope("gallery", "gallery", "gallery")
_KEY = bytes(32)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a user said and what came back."""

    user: str
    answer: str
    stopped_by: str | None = None
    """The rule that stopped it, where the answer is the persona's reply; no model was asked."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A recorded conversation."""

    case: str
    """The case's id, in plain words."""
    why: str
    language: str
    """``en`` or ``zh``: what the user writes."""
    scenario: str | None
    audience: str
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Stopped:
    """A text that policy stops, and what it does to it for each audience."""

    text: str
    stage: Stage
    rule: str
    """The severest for the policy's default audience."""
    outcomes: Mapping[str, Outcome]
    """By audience, strictest first."""
    reply: str
    """What the user gets instead, under the policy's default audience."""


@dataclass(frozen=True, slots=True)
class Differs:
    """A rule of the persona's own policy that does not do the same for everybody."""

    rule: str
    why: str
    then: Mapping[str, Steps]
    """By audience, strictest first."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One persona, as somebody wants to see it before they start from it."""

    persona: Persona
    talks: tuple[Talk, ...]
    """At most one in each language; none where nothing is recorded."""
    stopped: tuple[Stopped, ...]
    differs: tuple[Differs, ...]


async def gallery(
    loaded: Loaded, cases: Cases, recordings: Collection[Recording], clock: Clock
) -> tuple[Shown, ...]:
    """Every persona of a catalog, by id.

    Args:
        loaded: The catalog, compiled.
        cases: Those of the same project.
        recordings: Answers to its conversations; what is not there is not shown.
        clock: Says which waivers hold.
    """
    looked = _Look(loaded, clock, _by_case(recordings))
    return tuple(
        [await looked.shown(persona, cases) for persona in sorted(loaded.catalog.personas)]
    )


def _by_case(recordings: Collection[Recording]) -> Mapping[tuple[str, str], Sequence[Recording]]:
    """Answers of personas by suite and case, in the order in which they were given."""
    found: dict[tuple[str, str], list[Recording]] = {}
    for each in sorted(recordings, key=lambda one: one.step):
        if each.purpose is Purpose.ANSWER and each.repeat == 0:
            found.setdefault((each.suite, each.case), []).append(each)
    return found


@dataclass(frozen=True, slots=True)
class _Look:
    """Runs policies on texts."""

    loaded: Loaded
    clock: Clock
    recorded: Mapping[tuple[str, str], Sequence[Recording]]

    async def shown(self, persona: str, cases: Cases) -> Shown:
        served = self.loaded.served[persona, None]
        policy = served.plan.policy
        talks: dict[str, Talk] = {}
        for case in cases.personas.get(persona, ()):
            if isinstance(case, ConversationCase) and case.written.variant is None:
                talk = await self._talk(served, case)
                if talk is not None:
                    talks.setdefault(talk.language, talk)
        stopped: dict[tuple[Stage, Outcome, str], Stopped] = {}
        for of_policy in cases.policies.get(policy.id, ()):
            found = await self._stopped(served, of_policy)
            if found is not None:
                outcome = found.outcomes[policy.default_audience]
                stopped.setdefault((found.stage, outcome, _language(found.text)), found)
        parent = self.loaded.catalog.policies.get(policy.extends or "")
        return Shown(
            served.persona,
            tuple(talks.values()),
            tuple(stopped.values()),
            _differing(policy, parent),
        )

    async def _talk(self, served: Served, case: ConversationCase) -> Talk | None:
        """The conversation, or none where it is not recorded whole or took more than texts."""
        written = case.written
        audience = written.audience or served.plan.policy.default_audience
        answers = list(self.recorded.get((f"personas/{case.persona}", case.id), ()))
        turns: list[Turn] = []
        for turn in () if written.tools else written.turns:
            asked = await self._looked(served.plan, audience, turn.user, Stage.INPUT)
            if asked.outcome in _STOPS:
                rule = _severest(asked)
                turns.append(Turn(turn.user, _reply(served, asked.outcome, turn.user), rule))
                continue
            if asked.outcome not in _AS_SAID or not answers:
                return None
            answer = "".join(
                each.text for each in answers.pop(0).events if isinstance(each, TextDelta)
            )
            given = await self._looked(served.plan, audience, answer, Stage.OUTPUT)
            if given.outcome in _STOPS or not answer:
                return None
            turns.append(Turn(turn.user, answer + _appended(served.plan.policy, given)))
        if not turns:
            return None
        language = _language(turns[0].user)
        return Talk(case.id, written.why, language, written.scenario, audience, tuple(turns))

    async def _stopped(self, served: Served, case: PolicyCase) -> Stopped | None:
        plan = served.plan
        policy = plan.policy
        if case.text is None or case.expected(policy.default_audience) not in _STOPS:
            return None
        results = {
            audience: await self._looked(plan, audience, case.text, case.stage, case.system)
            for audience in policy.audiences
        }
        usual = results[policy.default_audience]
        if usual.outcome not in _STOPS:
            return None
        outcomes = {audience: result.outcome for audience, result in results.items()}
        reply = _reply(served, usual.outcome, case.text)
        return Stopped(case.text, case.stage, _severest(usual), outcomes, reply)

    async def _looked(  # what a check depends on
        self, plan: PolicyPlan, audience: str, text: str, stage: Stage, system: str = ""
    ) -> CheckResult:
        return await check_segments(
            plan,
            audience,
            (Segment("text", text, stage),),
            clock=self.clock,
            pseudonym_key=_KEY,
            catalog=self.loaded.catalog.digest,
            scope=_SCOPE,
            context=Context(system=system),
        )


def _language(text: str) -> str:
    return "zh" if _CHINESE.search(text) else "en"


def _severest(result: CheckResult) -> str:
    """The rule that decided on a text which was stopped."""
    action = Action(result.outcome)
    return next(
        each.rule for each in result.applied if each.action is action and not each.is_observed
    )


def _reply(served: Served, outcome: Outcome, user: str) -> str:
    message = Message(Role.USER, Origin.CLIENT, (TextPart(user),))
    return reply_to(served.persona, outcome, (message,))


def _appended(policy: Policy, result: CheckResult) -> str:
    """What rules that steer add at the end of an answer."""
    steering = [each for each in result.applied if each.action is Action.STEER]
    rules = [rule_by_id(policy.rules, each.rule) for each in steering if not each.is_observed]
    return "".join(rule.append for rule in rules if rule is not None)


def _differing(policy: Policy, parent: Policy | None) -> tuple[Differs, ...]:
    inherited: Sequence[Rule] = () if parent is None else parent.rules
    return tuple(
        Differs(rule.id, rule.why, {name: rule.then[name] for name in policy.audiences})
        for rule in policy.rules
        if rule not in inherited and len(set(rule.then.values())) > 1
    )
