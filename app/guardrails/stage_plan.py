"""What is done at one stage for one audience, ready to run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

from app.domain.decision import DetectorRef
from app.domain.finding import Finding
from app.domain.policy import REWRITES, STOPS, Action, PseudonymForm, Stage, Steps, action_at
from app.guardrails.detector import LocalDetector, RemoteDetector, Scope, SlowDetector
from app.guardrails.matches import MatchDetector
from app.guardrails.regex import RegexSet, regex_set
from app.guardrails.shapes import Screen, Shape, screen_over

ANSWER_STAGES = frozenset({Stage.OUTPUT, Stage.TOOL_CALL})
"""Where text comes as a stream."""


_SAMPLE = "The quick brown fox, 0123456789: jumps over (the) lazy dog's back. 你好，世界"
"""Automata are built as they meet text; this makes them meet some."""


@dataclass(frozen=True, slots=True, eq=False)
class LocalRun:
    """A detector that runs here, once for all rules that use it with the same spec."""

    detector: LocalDetector
    ref: DetectorRef
    shapes: tuple[Shape, ...] | None
    """As the detector declares them; none where it always looks."""
    looks_at_restored: bool = False
    """Whether it judges answers after values came back in place of their pseudonyms."""


@dataclass(frozen=True, slots=True, eq=False)
class AwaitedRun:
    """A detector that is waited for, once for all rules that use it with the same spec."""

    detector: SlowDetector | RemoteDetector
    ref: DetectorRef
    timeout_ms: int


def patient(runs: Iterable[AwaitedRun]) -> tuple[AwaitedRun, ...]:
    """Each detector once, with the longest time that anything gives it."""
    longest: dict[DetectorRef, AwaitedRun] = {}
    for run in runs:
        known = longest.get(run.ref, run)
        longest[run.ref] = known if known.timeout_ms > run.timeout_ms else run
    return tuple(longest.values())


Run = LocalRun | AwaitedRun


@dataclass(frozen=True, slots=True)
class PlannedRule:
    """A rule for one audience, with what waivers leave of it."""

    id: str
    ref: DetectorRef
    steps: Steps
    on_unchecked: Action
    append: str
    pseudonym: PseudonymForm
    percent: float
    """For which share of traffic the rule acts."""
    is_enforced: bool
    """Whether it acts in this exchange."""
    selects: Callable[[Finding], bool]

    def observing(self) -> "PlannedRule":
        """The same rule, where it decides and does not act."""
        return replace(self, is_enforced=False)

    def action(self, finding: Finding) -> Action:
        """What this rule does about a finding of its detector."""
        return action_at(self.steps, finding.score) if self.selects(finding) else Action.ALLOW

    @property
    def can_act(self) -> bool:
        """Whether a finding may make this rule change or stop the text."""
        return self.is_enforced and any(step.do in REWRITES | STOPS for step in self.steps)

    @property
    def can_stop(self) -> bool:
        """Whether a finding may make this rule end the text."""
        return self.is_enforced and any(step.do in STOPS for step in self.steps)

    @property
    def can_say(self) -> bool:
        """Whether a finding may make this rule do anything at all."""
        return any(step.do is not Action.ALLOW for step in self.steps)


@dataclass(frozen=True)
class StagePlan:
    """What is done at one stage for one audience."""

    stage: Stage
    rules: tuple[PlannedRule, ...]
    local: tuple[LocalRun, ...]
    """Cheapest first. All of the stage, also where no action follows for this audience: their
    findings are what a later policy is replayed on, and what thresholds are calibrated by."""
    slow: tuple[AwaitedRun, ...]
    """Those that take long here and can make a rule do something for this audience."""
    remote: tuple[AwaitedRun, ...]
    """Those that ask outside and can make a rule do something for this audience."""
    screen: RegexSet
    """Over all shapes of ``local``."""
    screened: tuple[int, ...]
    """For each pattern of the screen, the index of its run in ``local``."""

    @cached_property
    def rules_of(self) -> Mapping[DetectorRef, tuple[PlannedRule, ...]]:
        """Which rules use a run."""
        refs = {rule.ref for rule in self.rules}
        return {ref: tuple(rule for rule in self.rules if rule.ref == ref) for ref in refs}

    @cached_property
    def ran_at_once(self) -> tuple[DetectorRef, ...]:
        """What a trace names where only the local runs have looked."""
        return tuple(run.ref for run in self.local)

    @cached_property
    def ran_here(self) -> tuple[DetectorRef, ...]:
        """What a trace names where all that runs in this process has looked."""
        return self.ran_at_once + tuple(run.ref for run in self.slow)

    @cached_property
    def looking(self) -> bytes:
        """Tells all that runs in this process from what other plans run."""
        told = (f"{ref.detector}\0{ref.revision}\0{ref.spec}\0" for ref in self.ran_here)
        return "".join(told).encode()

    @cached_property
    def ran(self) -> tuple[DetectorRef, ...]:
        """What a trace names where all have looked."""
        return self.ran_here + tuple(run.ref for run in self.remote)

    @cached_property
    def awaited(self) -> tuple[AwaitedRun, ...]:
        """Those that are waited for when a text is whole."""
        return self.slow + self.remote

    def can_act(self, run: Run) -> bool:
        """Whether a finding of this run may change or stop the text."""
        return any(rule.can_act for rule in self.rules_of[run.ref])

    @cached_property
    def span_runs(self) -> tuple[LocalRun, ...]:
        """Those that hold what could still become a match."""
        return self._acting(Scope.SPAN)

    @cached_property
    def sentence_runs(self) -> tuple[LocalRun, ...]:
        """Those that hold a sentence."""
        return self._acting(Scope.SENTENCE)

    @cached_property
    def holds_all(self) -> bool:
        """Whether nothing may be released before the end."""
        return bool(self._acting(Scope.RESPONSE)) or any(map(self.can_act, self.awaited))

    @cached_property
    def late_runs(self) -> tuple[LocalRun, ...]:
        """Those that look at the whole text when it has ended."""
        early = {run.ref for run in self.span_runs + self.sentence_runs}
        return tuple(run for run in self.local if run.ref not in early)

    @cached_property
    def span_shapes(self) -> tuple[tuple[LocalRun, int, Shape], ...]:
        """All shapes of ``span_runs``, each with its run and its index there."""
        return tuple(
            (run, index, shape)
            for run in self.span_runs
            for index, shape in enumerate(run.shapes or ())
        )

    @cached_property
    def span_screen(self) -> Screen:
        """Over ``span_shapes``."""
        return screen_over(tuple(shape for _, _, shape in self.span_shapes))

    @cached_property
    def has_windows(self) -> bool:
        """Whether a run of ``span_runs`` is shown windows of the text, not only matches."""
        return any(not isinstance(run.detector, MatchDetector) for run in self.span_runs)

    def may_show_mark(self, tail: str, start: int, end: int) -> bool:
        """Whether ``tail[start:end]``, which is masked, is masked so whatever comes.

        It is where what is open inside it can neither stop the text nor reach beyond it. What only
        waits for an assertion reaches to the end of the tail.
        """
        if self.has_windows or self.sentence_runs or end < len(tail):
            return False
        for run, _, shape in self.span_shapes:
            open_at = shape.scan(tail, start, is_end=False)[1]
            if open_at < end and (self._can_stop(run) or shape.may_grow(tail, open_at, end)):
                return False
        return True

    def _can_stop(self, run: Run) -> bool:
        return any(rule.can_stop for rule in self.rules_of[run.ref])

    @cached_property
    def left_context(self) -> int:
        """How much released text a run wants to see before what it looks at."""
        return max((run.detector.left_context for run in self.span_runs), default=1)

    def _acting(self, scope: Scope) -> tuple[LocalRun, ...]:
        return tuple(run for run in self.local if run.detector.scope is scope and self.can_act(run))

    @cached_property
    def before_restoring(self) -> "StagePlan":
        """Of an answer with pseudonyms, what looks at it while it still has them."""
        return self._with([run for run in self.local if not run.looks_at_restored], self.awaited)

    @cached_property
    def after_restoring(self) -> "StagePlan | None":
        """What looks at the answer as it leaves; none where nothing does."""
        runs = [run for run in self.local if run.looks_at_restored]
        return self._with(runs, ()) if runs else None

    def _with(self, local: Sequence[LocalRun], awaited: Sequence[AwaitedRun]) -> "StagePlan":
        runs: list[Run] = [*local, *awaited]
        refs = {run.ref for run in runs}
        rules = [rule for rule in self.rules if rule.ref in refs]
        return stage_plan(self.stage, rules, local, awaited)

    def warm(self) -> None:
        """Do now what would otherwise be done by the first request."""
        _ = (self.rules_of, self.ran, self.holds_all, self.late_runs, self.left_context)
        self.screen.hits(_SAMPLE.encode())
        if self.stage in ANSWER_STAGES:
            _ = self.has_windows
            self.span_screen.look(_SAMPLE)


def stage_plan(
    stage: Stage,
    rules: Sequence[PlannedRule],
    local: Sequence[LocalRun],
    awaited: Sequence[AwaitedRun],
) -> StagePlan:
    """A plan that is ready to run.

    Args:
        stage: Where it is run.
        rules: For one audience.
        local: What runs at once, cheapest first.
        awaited: What is waited for.
    """
    sources = [(run.shapes or (), index) for index, run in enumerate(local)]
    made = StagePlan(
        stage=stage,
        rules=tuple(rules),
        local=tuple(local),
        slow=tuple(run for run in awaited if isinstance(run.detector, SlowDetector)),
        remote=tuple(run for run in awaited if isinstance(run.detector, RemoteDetector)),
        screen=regex_set(tuple(shape.loose for shapes, _ in sources for shape in shapes)),
        screened=tuple(chain.from_iterable([index] * len(shapes) for shapes, index in sources)),
    )
    made.warm()
    return made
