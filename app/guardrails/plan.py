"""A policy, compiled: what a request needs is looked up, never made."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import product
from typing import Any

import orjson
from pydantic import ValidationError

from app.domain.decision import DetectorRef
from app.domain.errors import ContentError, DetectorError, Problem
from app.domain.finding import Finding
from app.domain.policy import (
    REWRITES,
    Action,
    Policy,
    Rule,
    Stage,
    Waiver,
    outage_under,
    steps_under,
)
from app.guardrails.detector import (
    Detector,
    DetectorKind,
    LocalDetector,
    RemoteDetector,
    Scope,
    SlowDetector,
)
from app.guardrails.matches import MatchDetector
from app.guardrails.ruled import PolicyRules, stage_rules
from app.guardrails.shapes import Shape
from app.guardrails.stage_plan import (
    ANSWER_STAGES,
    AwaitedRun,
    LocalRun,
    PlannedRule,
    Run,
    StagePlan,
    patient,
    stage_plan,
)

_ALL = 100.0

Kinds = Mapping[str, DetectorKind[Any]]


@dataclass(frozen=True, slots=True)
class PolicyPlan:
    """A policy that is ready to run."""

    policy: Policy
    _changes: Mapping[str, tuple[date, ...]]
    """For each audience, the last days of its waivers, ordered."""
    _shares: tuple[float, ...]
    """The shares of traffic for which only some rules act, in percent, ordered."""
    _stages: Mapping[tuple[Stage, str, int, int], StagePlan]
    left_out: tuple[str, ...] = ()
    """Rules that do not run in this installation."""

    def at(self, stage: Stage, audience: str, now: datetime, draw: float = 0.0) -> StagePlan:
        """What is done at a stage, for an audience, with the waivers that hold at this time.

        A rule that acts for a share of traffic acts where the draw is below it: for a draw of 0
        all of them do.
        """
        period = bisect_left(self._changes[audience], now.astimezone(UTC).date())
        return self._stages[stage, audience, period, bisect_right(self._shares, draw)]

    def rules(self) -> PolicyRules:
        """What deciding takes of it."""
        made = {id(plan): stage_rules(plan) for plan in self._stages.values()}
        stages = {key: made[id(plan)] for key, plan in self._stages.items()}
        return PolicyRules(self.policy, self._changes, self._shares, stages, self.left_out)


@dataclass(slots=True)
class Builds:
    """Detectors that were built, so that policies of one catalog share them."""

    kinds: Kinds
    made: dict[tuple[str, bytes], Detector] = field(default_factory=dict)
    runs: dict[tuple[str, str], LocalRun] = field(default_factory=dict)

    def copy(self) -> "Builds":
        """The same, to build more that is not kept: such as what a draft alone wants."""
        return Builds(self.kinds, dict(self.made), dict(self.runs))

    def detector(self, name: str, settings: Any) -> Detector | None:  # noqa: ANN401  # of the kind
        """The detector for these settings; none where it does not run here."""
        if not self.kinds[name].runs_here(settings):
            return None
        dumped = orjson.dumps(settings.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
        if (name, dumped) not in self.made:
            detector = self.kinds[name].build(settings)
            if detector.name != name:
                raise DetectorError(f"{name}: the detector calls itself by another name")
            self.made[name, dumped] = detector
        return self.made[name, dumped]

    def run(self, kind: DetectorKind[Any], detector: Detector, timeout_ms: int) -> Run:
        """The detector as it runs.

        Raises:
            DetectorError: It would be shown what it must not see, or be asked in vain.
        """
        ref = DetectorRef(detector.name, detector.revision, detector.spec)
        if isinstance(detector, SlowDetector | RemoteDetector):
            if kind.looks_at_restored:
                raise DetectorError(f"{kind.name}: restored values are for local detectors only")
            return AwaitedRun(detector, ref, timeout_ms)
        key = (detector.name, detector.spec)
        if key not in self.runs:
            self.runs[key] = LocalRun(detector, ref, _shapes(detector), kind.looks_at_restored)
        return self.runs[key]


def _shapes(detector: LocalDetector) -> tuple[Shape, ...] | None:
    if isinstance(detector, MatchDetector):
        return tuple(term.shape for term in detector.terms)
    if detector.shapes is None:
        if detector.scope is Scope.SPAN:
            raise DetectorError(f"{detector.name}: a detector of scope span has to declare shapes")
        return None
    return tuple(Shape(source) for source in detector.shapes)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A rule with its detector."""

    rule: Rule
    run: Run
    selects: Callable[[Finding], bool]


def compile_policy(policy: Policy, kinds: Kinds, builds: Builds | None = None) -> PolicyPlan:
    """Make a policy ready to run; all compiling and loading happens here.

    Args:
        policy: After inheritance.
        kinds: Every kind of detector that rules may use.
        builds: What was built for other policies of the same catalog, to share detectors.

    Raises:
        ContentError: Rules that cannot run, or would silently do nothing; all of them at once.
    """
    builds = builds or Builds(kinds)
    problems = [_problem(policy, path, what) for path, what in _doubts(policy)]
    prepared = []
    for rule in policy.rules:
        try:
            ready = _prepare(rule, kinds, builds)
            if ready is not None:
                prepared.append(ready)
        except DetectorError as exc:
            problems.append(_problem(policy, f"rules.{rule.id}.detect", str(exc)))
    if problems:
        raise ContentError(problems)
    changes = {audience: _last_days(policy, audience) for audience in policy.audiences}
    made: dict[tuple[Stage, tuple[PlannedRule, ...]], StagePlan] = {}
    shares = _shares(policy)
    stages: dict[tuple[Stage, str, int, int], StagePlan] = {}
    for stage in Stage:
        here = [each for each in prepared if stage in each.rule.stages]
        for audience, last_days in changes.items():
            for period, passed in product(range(len(last_days) + 1), range(len(shares) + 1)):
                rules = tuple(
                    rule if rule.percent > max(shares[:passed], default=0.0) else rule.observing()
                    for rule in _planned(policy, here, audience, last_days[period:])
                )
                if (stage, rules) not in made:
                    made[stage, rules] = _stage_plan(stage, here, rules)
                stages[stage, audience, period, passed] = made[stage, rules]
    here_not = {rule.id for rule in policy.rules} - {each.rule.id for each in prepared}
    left_out = tuple(rule.id for rule in policy.rules if rule.id in here_not)
    return PolicyPlan(policy, changes, shares, stages, left_out)


def _prepare(rule: Rule, kinds: Kinds, builds: Builds) -> _Prepared | None:
    kind = kinds.get(rule.detect.detector)
    if kind is None:
        raise DetectorError(
            f"there is no detector {rule.detect.detector!r}; there are {', '.join(sorted(kinds))}"
        )
    try:
        settings = kind.settings.model_validate(rule.detect.settings)
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise DetectorError(f"{kind.name}: {where}: {first['msg']}") from None
    detector = builds.detector(kind.name, settings)
    if detector is None:
        return None
    run = builds.run(kind, detector, rule.timeout_ms)
    return _Prepared(rule, run, lambda finding: kind.selects(settings, finding))


def _doubts(policy: Policy) -> list[tuple[str, str]]:
    """What would do nothing, or not what it says."""
    doubts = []
    for rule in policy.rules:
        path = f"rules.{rule.id}"
        actions = {step.do for steps in rule.then.values() for step in steps} | {rule.on_unchecked}
        actions |= {waiver.to for waiver in policy.waivers if waiver.rule == rule.id}
        if not rule.stages:
            doubts.append((f"{path}.stages", "names no stage, so the rule would never run"))
        if missing := [audience for audience in policy.audiences if audience not in rule.then]:
            doubts.append((f"{path}.then", f"says nothing for {', '.join(missing)}"))
        if Action.RETRY in actions:
            doubts.append((f"{path}.then", _NO_RETRY))
        if rule.on_unchecked in REWRITES:
            doubts.append(
                (f"{path}.on_unchecked", "where nothing was found there is no span to hide")
            )
        if Action.STEER in actions and not rule.append:
            doubts.append((f"{path}.append", "'steer' adds this text, and there is none"))
        doubts += [
            (f"{path}.then", f"a step at {step.at} is never reached: scores end at 1")
            for step in {step for steps in rule.then.values() for step in steps}
            if step.at > 1
        ]
    for waiver in policy.waivers:
        if waiver.audience not in policy.audiences:
            doubts.append(("waivers", f"there is no audience {waiver.audience!r}"))
        if all(rule.id != waiver.rule for rule in policy.rules):
            doubts.append(("waivers", f"there is no rule {waiver.rule!r}"))
    return doubts


_NO_RETRY = (
    "'retry' cannot be kept: what was released cannot be taken back, and the rule cannot say what "
    "happens when it fails again; use 'block' or 'escalate'"
)


def _problem(policy: Policy, path: str, what: str) -> Problem:
    return Problem(f"policies/{policy.id}.yaml", 0, 0, path, what)


def _shares(policy: Policy) -> tuple[float, ...]:
    shares = {rule.enforced_percent for rule in policy.rules}
    return tuple(sorted(shares - {0.0, _ALL}))


def _last_days(policy: Policy, audience: str) -> tuple[date, ...]:
    return tuple(sorted({w.expires for w in policy.waivers if w.audience == audience}))


def _planned(
    policy: Policy, here: Sequence[_Prepared], audience: str, last_days: Sequence[date]
) -> tuple[PlannedRule, ...]:
    """The rules of a stage for an audience, with the waivers that end on these days."""
    waivers = [w for w in policy.waivers if w.audience == audience and w.expires in last_days]
    return tuple(_planned_rule(each, audience, waivers) for each in here)


def _stage_plan(
    stage: Stage, here: Sequence[_Prepared], rules: tuple[PlannedRule, ...]
) -> StagePlan:
    local = {each.run.ref: each.run for each in here if isinstance(each.run, LocalRun)}
    ordered = tuple(sorted(local.values(), key=_cost))
    awaited = _awaited_runs(here, rules)
    made = stage_plan(stage, rules, ordered, awaited)
    if stage in ANSWER_STAGES and made.after_restoring is not None:
        _ = made.before_restoring
    return made


def _cost(run: LocalRun) -> tuple[bool, bool, bool]:
    """Cheaper first: what a scan answers, what a scan may rule out, what always looks."""
    return (
        not isinstance(run.detector, MatchDetector),
        run.shapes is None,
        run.detector.scope is Scope.RESPONSE,
    )


def _awaited_runs(
    here: Sequence[_Prepared], rules: Sequence[PlannedRule]
) -> tuple[AwaitedRun, ...]:
    pairs = zip(here, rules, strict=True)
    runs = (each.run for each, rule in pairs if rule.can_say)
    return patient(run for run in runs if isinstance(run, AwaitedRun))


def _planned_rule(prepared: _Prepared, audience: str, waivers: Sequence[Waiver]) -> PlannedRule:
    rule = prepared.rule
    waivers = [waiver for waiver in waivers if waiver.rule == rule.id]
    return PlannedRule(
        id=rule.id,
        ref=prepared.run.ref,
        steps=steps_under(rule.then[audience], waivers),
        on_unchecked=outage_under(rule.on_unchecked, waivers),
        append=rule.append,
        pseudonym=rule.pseudonym,
        percent=rule.enforced_percent,
        is_enforced=rule.enforced_percent > 0,
        selects=prepared.selects,
    )
