"""What policy does about what was found: a pure function of policy, audience, trace and time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.domain.decision import (
    Applied,
    Decision,
    DetectorRef,
    Outcome,
    StageTrace,
    Trace,
    UncheckedRun,
    severest,
)
from app.domain.finding import Finding
from app.domain.policy import REWRITES, STOPS, Action, Stage
from app.guardrails.plan import PolicyPlan
from app.guardrails.stage_plan import PlannedRule, StagePlan


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one rule does about one finding, or about one detector that did not run."""

    rule: PlannedRule
    action: Action
    about: Finding | UncheckedRun
    index: int | None
    """Of the finding in the trace; none where a detector did not run."""
    withholds: bool = False
    """The whole text is masked: it would have stopped the exchange, but is of an earlier turn."""

    @property
    def is_unchecked(self) -> bool:
        """Whether an outage decided."""
        return self.index is None

    @property
    def rewrites(self) -> bool:
        """Whether the text is changed by this."""
        return self.rule.is_enforced and self.action in REWRITES

    @property
    def stops(self) -> bool:
        """Whether the exchange ends by this."""
        return self.rule.is_enforced and self.action in STOPS

    @property
    def outcome(self) -> Outcome:
        """What this alone makes of the exchange."""
        if not self.rule.is_enforced:
            return Outcome.ALLOW
        if self.is_unchecked and self.action in STOPS:
            return Outcome.UNCHECKED
        return Outcome(self.action)


@dataclass(frozen=True, slots=True)
class Stop:
    """Why an exchange ends here."""

    rule: str
    outcome: Outcome
    """``block``, ``escalate``, or ``unchecked`` where an outage decided."""
    stage: Stage
    path: str


class Ruled(Protocol):
    """What rules are decided by."""

    @property
    def rules(self) -> tuple[PlannedRule, ...]:
        """In the order of the policy."""
        ...


def decide(plan: PolicyPlan, audience: str, trace: Trace, now: datetime) -> tuple[Decision, ...]:
    """What this policy does, or would have done, about a recorded trace: one decision a stage."""
    return tuple(
        decision(stage, rulings(plan.at(stage.stage, audience, now, stage.draw), stage))
        for stage in trace
    )


def rulings(plan: Ruled, trace: StageTrace) -> list[Ruling]:
    """What each rule does about each finding and outage, in the order of the rules.

    Where a rule of this policy looks for something that was not looked for then, nothing is said;
    ``not_looked_for`` tells.
    """
    return list(_rulings(plan, trace))


def _rulings(plan: Ruled, trace: StageTrace) -> Iterator[Ruling]:
    for rule in plan.rules:
        for index, finding in enumerate(trace.findings):
            if (finding.detector, finding.spec) == (rule.ref.detector, rule.ref.spec):
                action = rule.action(finding)
                if action is not Action.ALLOW:
                    yield _ruling(rule, action, finding, index, trace.earlier)
        for run in trace.unchecked:
            if (run.detector, run.spec) == (rule.ref.detector, rule.ref.spec) and (
                rule.on_unchecked is not Action.ALLOW
            ):
                yield _ruling(rule, rule.on_unchecked, run, None, trace.earlier)


def rulings_on(plan: StagePlan, ref: DetectorRef, about: Finding | UncheckedRun) -> list[Ruling]:
    """What the rules that use a detector do about one thing that it said."""
    made = []
    for rule in plan.rules_of.get(ref, ()):
        index, action = (
            (0, rule.action(about)) if isinstance(about, Finding) else (None, rule.on_unchecked)
        )
        if action is not Action.ALLOW:
            made.append(Ruling(rule, action, about, index))
    return made


def _ruling(
    rule: PlannedRule,
    action: Action,
    about: Finding | UncheckedRun,
    index: int | None,
    earlier: frozenset[str],
) -> Ruling:
    """Stopping because of a text that the client replays would stop every later turn as well."""
    withholds = about.path in earlier and action in STOPS
    return Ruling(rule, Action.MASK if withholds else action, about, index, withholds)


def decision(trace: StageTrace, made: Iterable[Ruling]) -> Decision:
    """Rulings as they are recorded: one line for each rule and action."""
    lines: dict[tuple[str, Action, bool, bool], list[int]] = {}
    for ruling in made:
        key = (ruling.rule.id, ruling.action, not ruling.rule.is_enforced, ruling.is_unchecked)
        indexes = lines.setdefault(key, [])
        if ruling.index is not None:
            indexes.append(ruling.index)
    applied = tuple(
        Applied(rule, action, tuple(indexes), is_observed, is_unchecked)
        for (rule, action, is_observed, is_unchecked), indexes in lines.items()
    )
    return Decision(trace.stage, applied, trace.unchecked)


def outcome_of(decisions: Sequence[Decision]) -> Outcome:
    """The severest thing that policy did.

    Where it stopped the exchange and a detector was out as well, it was policy that stopped it.
    """
    applied = [each for made in decisions for each in made.applied if not each.is_observed]
    outages = [each for each in applied if each.is_unchecked and each.action in STOPS]
    outcome = severest(*(Outcome(each.action) for each in applied if each not in outages))
    if outages and outcome not in {Outcome.BLOCK, Outcome.ESCALATE}:
        return Outcome.UNCHECKED
    return outcome


def not_looked_for(plan: Ruled, trace: StageTrace) -> tuple[DetectorRef, ...]:
    """Detectors whose findings this policy acts on and that did not look when this was recorded.

    Where there are none, the decision on the trace is exact.
    """
    then = {(ref.detector, ref.spec) for ref in trace.ran}
    needed = dict.fromkeys(rule.ref for rule in plan.rules if rule.can_say)
    return tuple(ref for ref in needed if (ref.detector, ref.spec) not in then)


URGENCY = {Outcome.BLOCK: 0, Outcome.ESCALATE: 1, Outcome.UNCHECKED: 2}


def first_stop(stops: Iterable[Stop]) -> Stop | None:
    """The one that names the exchange's end: what policy decided comes before outages."""
    return min(stops, key=lambda stop: URGENCY[stop.outcome], default=None)
