"""What deciding takes of a policy, without detectors: recorded traces are decided by it.

Holds nothing that cannot be sent to another process.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property

from app.domain.decision import DetectorRef
from app.domain.policy import Policy, Stage
from app.guardrails.stage_plan import PlannedRule, StagePlan

Asked = tuple[str, str]
"""A detector and its spec: what tells whether a record can answer for it."""


@dataclass(frozen=True)
class StageRules:
    """What is decided at one stage for one audience."""

    rules: tuple[PlannedRule, ...]
    ran: frozenset[Asked]
    """All that would look."""
    awaited: frozenset[Asked]
    """Those of them that look when a text is whole."""
    remote: frozenset[Asked]
    """Those of them that are asked outside, and not where the rest stops a request."""

    @cached_property
    def by_asked(self) -> Mapping[Asked, tuple[tuple[int, PlannedRule], ...]]:
        """The rules that are about what a detector says, with their numbers."""
        made: dict[Asked, list[tuple[int, PlannedRule]]] = {}
        for number, rule in enumerate(self.rules):
            made.setdefault(asked(rule.ref), []).append((number, rule))
        return {key: tuple(rules) for key, rules in made.items()}


@dataclass(frozen=True, slots=True)
class PolicyRules:
    """A policy, as it decides."""

    policy: Policy
    changes: Mapping[str, tuple[date, ...]]
    """For each audience, the last days of its waivers, ordered."""
    shares: tuple[float, ...]
    """The shares of traffic for which only some rules act, in percent, ordered."""
    stages: Mapping[tuple[Stage, str, int, int], StageRules]
    """By stage and audience, by how many of the days are past, and how many shares are passed."""
    left_out: tuple[str, ...]
    """Rules that do not run in this installation."""

    def period(self, audience: str, at: datetime) -> int:
        """How many of the days on which waivers end are past."""
        return bisect_left(self.changes[audience], at.astimezone(UTC).date())

    def at(self, stage: Stage, audience: str, at: datetime, draw: float) -> StageRules:
        """What is decided at a stage, for an audience, with the waivers that hold at this time."""
        key = (stage, audience, self.period(audience, at), bisect_right(self.shares, draw))
        return self.stages[key]


def asked(ref: DetectorRef) -> Asked:
    """Who was asked what; which revision answered does not matter."""
    return ref.detector, ref.spec


def stage_rules(plan: StagePlan) -> StageRules:
    """The rules of a stage without what runs them."""
    return StageRules(
        plan.rules,
        ran=frozenset(asked(ref) for ref in plan.ran),
        awaited=frozenset(asked(run.ref) for run in plan.awaited),
        remote=frozenset(asked(run.ref) for run in plan.remote),
    )
