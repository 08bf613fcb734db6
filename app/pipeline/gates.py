"""What decides a rollout: its gates, and what follows from what they say. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.persona import Gate, Rollout, timedelta_of
from app.domain.rollout import Arm, Evidence, Finding, Move, Phase, PlannedRollout, Standing
from app.metrics.definitions import Better, Metric, metric_named, value_of
from app.metrics.observed import ObservedTask
from app.metrics.sequential import ConfidenceSequence, Difference

_BY_BEHAVIOUR = "adherence:"
SAID = frozenset({"task_completion_reported", "satisfaction", "error_recovery"})
"""Metrics that rest on what users say afterwards."""
GATE_METRICS = SAID | {
    "adherence",
    _BY_BEHAVIOUR,
    "persona_drift",
    "refusal_rate",
    "failure_rate",
    "escalation_rate",
}
"""What a gate may name: what live traffic tells, within bounds that are known before."""
_ALL = 100


@dataclass(frozen=True, slots=True)
class _Compared:
    """One gate, with what it has seen."""

    gate: Gate
    metric: Metric
    level: float
    seen: Difference

    def after(self, task: ObservedTask, *, is_variant: bool) -> "_Compared":
        """With one more session, if the metric says something of it."""
        value = value_of(self.metric, task)
        if value is None:
            return self
        worse = (value - self.metric.low) / self._width
        if self.metric.better is Better.HIGHER:
            worse = 1 - worse
        worse = min(max(worse, 0.0), 1.0)  # what is summed up of floats may lie a hair outside
        if is_variant:
            return replace(self, seen=replace(self.seen, treated=self.seen.treated.after(worse)))
        return replace(self, seen=replace(self.seen, control=self.seen.control.after(worse)))

    def evidence(self) -> Evidence:
        """What it says so far."""
        low, high = (end * self._width for end in self.seen.interval)
        finding = Finding.UNDECIDED
        if low > self.gate.no_worse_by:
            finding = Finding.BROKEN
        elif high < self.gate.no_worse_by:
            finding = Finding.HOLDS
        return Evidence(
            metric=self.gate.metric,
            no_worse_by=self.gate.no_worse_by,
            variant=self._arm(self.seen.treated),
            control=self._arm(self.seen.control),
            worse_by=(low, high),
            error_rate=self.level,
            finding=finding,
        )

    @property
    def _width(self) -> float:
        return self.metric.high - self.metric.low

    def _arm(self, seen: ConfidenceSequence) -> Arm:
        if not seen.count:
            return Arm(0, None)
        point = 1 - seen.point if self.metric.better is Better.HIGHER else seen.point
        return Arm(seen.count, self.metric.low + point * self._width)


class Gates:
    """The gates of a rollout in one of its steps.

    Each step is looked at for itself: shares are the same within it, so that what changes over time
    changes for both sides alike.
    """

    def __init__(self, plan: Rollout) -> None:
        """Begin with nothing seen."""
        watched = sum(step < _ALL for step in plan.steps)
        # Any of the intervals may go wrong, at any step: together as often as the plan allows.
        level = plan.error_rate / (len(plan.gates) * max(watched, 1))
        each = ConfidenceSequence(level / 2)
        self._compared = [
            _Compared(gate, metric_named(gate.metric), level, Difference(each, each))
            for gate in plan.gates
        ]

    def add(self, task: ObservedTask, *, is_variant: bool) -> None:
        """One session that has ended; one value for each gate that it says something of."""
        self._compared = [each.after(task, is_variant=is_variant) for each in self._compared]

    def evidence(self) -> tuple[Evidence, ...]:
        """What each gate says so far."""
        return tuple(each.evidence() for each in self._compared)


def next_move(
    planned: PlannedRollout, standing: Standing, evidence: tuple[Evidence, ...], now: datetime
) -> tuple[Move, str] | None:
    """What the gates decide now, and why; none where nothing changes.

    A gate that breaks returns the rollout also from a hold and at its last step.
    """
    if not standing.is_watched or standing.since is None:
        return None
    broken = [each for each in evidence if each.finding is Finding.BROKEN]
    if broken:
        said = [
            f"{each.metric} is worse by {each.worse_by[0]:.3g} or more, where {each.no_worse_by:g}"
            " is allowed"
            for each in broken
        ]
        return Move.RETURN, "; ".join(said)
    plan = planned.plan
    is_seen = all(
        min(each.variant.samples, each.control.samples) >= plan.min_samples for each in evidence
    )
    is_held = now - standing.since >= timedelta_of(plan.hold)
    holds = all(each.finding is Finding.HOLDS for each in evidence)
    if standing.phase is Phase.RUNNING and is_seen and is_held and holds:
        return Move.STEP, "every gate holds"
    return None
