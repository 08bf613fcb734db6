"""Why a policy does to a text what it does: every rule, what it saw, and the lines that say so."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from app.catalog.origins import Origins, Written
from app.domain.catalog import Catalog
from app.domain.conversation import Segment
from app.domain.decision import Outcome, StageTrace, UncheckedRun
from app.domain.errors import RequestError
from app.domain.finding import Finding
from app.domain.policy import (
    Action,
    Policy,
    Rule,
    Stage,
    Step,
    Waiver,
    action_at,
    waivers_on,
)
from app.guardrails.decide import Ruling, rulings
from app.guardrails.evaluate import inspect_segments
from app.guardrails.plan import PolicyPlan
from app.guardrails.pseudonyms import Minter
from app.guardrails.stage_plan import PlannedRule, StagePlan


class Fate(StrEnum):
    """What came of a rule, the severest first."""

    APPLIED = "applied"
    """It did something."""
    OBSERVED = "observed"
    """It would have done something, and only observes."""
    BELOW = "below"
    """It saw something, too little for its first step that does anything."""
    OTHERS = "others"
    """Its detector saw something that the rule's settings leave out."""
    CLEAN = "clean"
    """It looked and saw nothing."""
    NOT_ASKED = "not_asked"
    """Its detector was not asked: the text was stopped before, or nothing could follow."""
    ELSEWHERE = "elsewhere"
    """It does not look at this stage."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that a rule did, and why."""

    action: Action
    score: float | None
    """The highest of its findings; none where the detector did not run."""
    step: Step | None
    """The step of the rule that the score reached, as it stands without waivers."""
    findings: tuple[Finding, ...]
    reason: str = ""
    """Why the detector did not run."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One rule, what came of it, and where its parts are written."""

    rule: Rule
    fate: Fate
    hits: tuple[Hit, ...]
    score: float | None
    """The highest that its detector gave to what the rule is about."""
    first: Step | None
    """The lowest step that does anything for this audience."""
    waivers: tuple[tuple[Waiver, Written], ...]
    """Those that hold now."""
    written: Written
    detect: Written
    then: Written
    mode: Written


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why the outcome is what it is."""

    policy: str
    audience: str
    stage: Stage
    outcome: Outcome
    catalog: str
    rules: tuple[Explained, ...]


async def explain(
    catalog: Catalog,
    plan: PolicyPlan,
    audience: str,
    segment: Segment,
    *,
    minter: Minter,
    now: datetime,
) -> Explanation:
    """Run a policy on one text, and say what came of every rule.

    Args:
        catalog: Where the policy was read.
        plan: Of the policy.
        audience: One of the policy's.
        segment: The text and its stage.
        minter: For rules that give pseudonyms.
        now: Decides which waivers hold.

    Raises:
        RequestError: The policy has no such audience.
    """
    policy = plan.policy
    if audience not in policy.audiences:
        known = ", ".join(policy.audiences)
        raise RequestError(f"there is no such audience; there are {known}", param="audience")
    inspection = await inspect_segments(plan, audience, [segment], minter=minter, now=now)
    return Explanation(
        policy=policy.id,
        audience=audience,
        stage=segment.stage,
        outcome=inspection.outcome,
        catalog=catalog.digest,
        rules=explain_trace(catalog, plan, audience, inspection.trace[0], now),
    )


def explain_trace(
    catalog: Catalog, plan: PolicyPlan, audience: str, trace: StageTrace, now: datetime
) -> tuple[Explained, ...]:
    """What came of every rule at one stage, the severest first."""
    stage_plan = plan.at(trace.stage, audience, now, trace.draw)
    look = _Look(catalog, plan.policy, audience, stage_plan, trace, now)
    return tuple(sorted(look.rules(), key=lambda each: list(Fate).index(each.fate)))


class _Look:
    """What was seen at one stage, to be told rule by rule."""

    def __init__(
        self,
        catalog: Catalog,
        policy: Policy,
        audience: str,
        plan: StagePlan,
        trace: StageTrace,
        now: datetime,
    ) -> None:
        self._origins = Origins(catalog)
        self._policy = policy
        self._audience = audience
        self._trace = trace
        self._planned = {rule.id: rule for rule in plan.rules}
        self._rulings = rulings(plan, self._trace)
        self._today = now.astimezone(UTC).date()

    def rules(self) -> Iterator[Explained]:
        """All rules of the policy, in its order."""
        for rule in self._policy.rules:
            planned = self._planned.get(rule.id)
            hits = self._hits(rule) if planned else ()
            about = self._about(planned) if planned else []
            policy, waivers = self._policy, self._waivers(rule)
            yield Explained(
                rule=rule,
                fate=self._fate(planned, hits, about),
                hits=hits,
                score=max((finding.score for finding in about), default=None),
                first=self._first(planned) if planned else None,
                waivers=waivers,
                written=self._origins.rule(policy.id, rule.id),
                detect=self._origins.rule(policy.id, rule.id, "detect"),
                then=self._origins.then(policy.id, rule.id, self._audience),
                mode=self._origins.acts(policy.id, rule.id),
            )

    def _waivers(self, rule: Rule) -> tuple[tuple[Waiver, Written], ...]:
        return tuple(
            (waiver, self._origins.waiver(self._policy.id, rule.id, self._audience))
            for waiver in waivers_on(self._policy, rule.id, self._audience, self._today)
        )

    def _of_detector(self, planned: PlannedRule) -> list[Finding]:
        ref = planned.ref
        return [
            finding
            for finding in self._trace.findings
            if (finding.detector, finding.spec) == (ref.detector, ref.spec)
        ]

    def _about(self, planned: PlannedRule) -> list[Finding]:
        return [finding for finding in self._of_detector(planned) if planned.selects(finding)]

    def _first(self, planned: PlannedRule) -> Step | None:
        return next((step for step in planned.steps if step.do is not Action.ALLOW), None)

    def _fate(
        self, planned: PlannedRule | None, hits: Sequence[Hit], about: Sequence[Finding]
    ) -> Fate:
        if planned is None:
            return Fate.ELSEWHERE
        if hits:
            return Fate.APPLIED if planned.is_enforced else Fate.OBSERVED
        if about:
            return Fate.BELOW
        if self._of_detector(planned):
            return Fate.OTHERS
        return Fate.CLEAN if planned.ref in self._trace.ran else Fate.NOT_ASKED

    def _hits(self, rule: Rule) -> tuple[Hit, ...]:
        made: dict[tuple[Action, str], list[Ruling]] = {}
        for ruling in self._rulings:
            if ruling.rule.id == rule.id:
                reason = ruling.about.reason if isinstance(ruling.about, UncheckedRun) else ""
                made.setdefault((ruling.action, reason), []).append(ruling)
        return tuple(
            self._hit(rule, action, reason, group) for (action, reason), group in made.items()
        )

    def _hit(self, rule: Rule, action: Action, reason: str, group: Sequence[Ruling]) -> Hit:
        findings = tuple(each.about for each in group if isinstance(each.about, Finding))
        if not findings:
            return Hit(action, None, None, (), reason)
        score = max(finding.score for finding in findings)
        reached = [step for step in rule.then[self._audience] if step.at <= score]
        step = reached[-1] if reached else Step(0, action_at((), score))
        return Hit(action, score, step, findings)
