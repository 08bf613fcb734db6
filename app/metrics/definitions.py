"""What is measured of a product: each metric in one place, the same on cases and on live records.

A metric is a sum over a sum: of each task it counts what speaks for it (``top``), out of how much
(``bottom``), and how much of the task could not be scored (``missed``). What is not scored is in
neither sum.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum

import numpy as np

from app.metrics.counting import (
    NOTHING,
    Tally,
    adherence,
    completed_by,
    cost,
    drift,
    each_exchange,
    escalation,
    failed,
    over_refusal,
    recovery,
    recovery_turns,
    satisfaction_by,
    violation,
)
from app.metrics.intervals import Mean, Share, clustered
from app.metrics.observed import Basis, ObservedTask


class Better(StrEnum):
    """Which way a metric should move."""

    HIGHER = "higher"
    LOWER = "lower"


class Kind(Enum):
    """What a metric is."""

    SHARE = "share"
    MEAN = "mean"


@dataclass(frozen=True, slots=True)
class Metric:
    """What is measured, and what it says."""

    id: str
    title: str
    formula: str
    unit: str
    better: Better
    not_measured: str
    """What one may not read into it."""
    source: str
    """What the definition rests on."""
    tally: Callable[[ObservedTask], Tally]
    kind: Kind = Kind.SHARE
    low: float = 0.0
    high: float = 1.0
    """No value is outside; where nothing is known, the interval is all of it."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A metric on a sample."""

    metric: Metric
    estimate: Share | Mean | None
    """None where nothing was scored."""
    cases: int
    """How many cases or sessions were scored."""
    missed: int
    """How much was not scored, in the metric's own unit of counting; never part of the estimate."""

    def plain(self) -> dict[str, object]:
        """As JSON has it: null for what nobody knows, also for infinite ends of an interval."""
        said = self.estimate
        return {
            "metric": self.metric.id,
            "unit": self.metric.unit,
            "better": self.metric.better.value,
            "value": None if said is None else said.point,
            "interval": None if said is None else ends(said.interval),
            "of": 0 if said is None else said.of,
            "cases": self.cases,
            "not_scored": self.missed,
        }


def ends(interval: tuple[float, float]) -> list[float | None]:
    """Both ends of an interval as JSON has them: null where one is infinite."""
    return [end if math.isfinite(end) else None for end in interval]


def measure(metric: Metric, tasks: Sequence[ObservedTask]) -> Measurement:
    """A metric on some tasks; repeats of a case count as one case."""
    return summed(metric, tallies(metric, tasks))


def summed(metric: Metric, by_case: Mapping[str, Tally]) -> Measurement:
    """A metric on what each case says of it."""
    scored = [each for each in by_case.values() if each.bottom > 0]
    missed = sum(each.missed for each in by_case.values())
    if not scored:
        return Measurement(metric, None, 0, missed)
    return Measurement(metric, _estimate(metric, scored), len(scored), missed)


def value_of(metric: Metric, task: ObservedTask) -> float | None:
    """What one task alone says, within the metric's range; none where it says nothing.

    One session is one value, so that sequential tests may be fed with these.
    """
    of = metric.tally(task)
    return of.top / of.bottom if of.bottom > 0 else None


def tallies(metric: Metric, tasks: Sequence[ObservedTask]) -> dict[str, Tally]:
    """What each case says of a metric, its repeats together."""
    by_case: dict[str, Tally] = {}
    for task in tasks:
        by_case[task.id] = by_case.get(task.id, NOTHING) + metric.tally(task)
    return by_case


def _estimate(metric: Metric, scored: Sequence[Tally]) -> Share | Mean:
    tops = np.array([each.top for each in scored])
    bottoms = np.array([each.bottom for each in scored])
    if metric.kind is Kind.SHARE:
        return clustered(tops, bottoms)
    values = tuple(float(value) for value in tops / bottoms)
    return Mean(values, tuple(float(weight) for weight in bottoms), metric.low, metric.high)


def metrics_of(*samples: Sequence[ObservedTask]) -> tuple[Metric, ...]:
    """All metrics that there are for these tasks, in a fixed order: also one for each behaviour."""
    behaviours = {
        each.behaviour
        for tasks in samples
        for task in tasks
        for exchange in task.exchanges
        for each in exchange.behaviours
    }
    return (*METRICS.values(), *(adherence_to(behaviour) for behaviour in sorted(behaviours)))


def metric_named(name: str) -> Metric:
    """The metric of this id; ``adherence:<behaviour>`` is one behaviour's.

    Raises:
        KeyError: There is none.
    """
    prefix, colon, behaviour = name.partition(":")
    if colon and prefix == _ADHERENCE.id and behaviour:
        return adherence_to(behaviour)
    return METRICS[name]


def adherence_to(behaviour: str) -> Metric:
    """Adherence to one behaviour."""
    return replace(
        _ADHERENCE,
        id=f"{_ADHERENCE.id}:{behaviour}",
        title=f"{_ADHERENCE.title}: {behaviour}",
        tally=lambda task: adherence(task, behaviour),
    )


def _by_id(*metrics: Metric) -> Mapping[str, Metric]:
    return {each.id: each for each in metrics}


# The metrics

_PARADISE = (
    'M. A. Walker et al., "PARADISE: A Framework for Evaluating Spoken Dialogue Agents", ACL 1997'
)
_JUDGES = (
    'L. Zheng et al., "Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena" (2023), '
    "arXiv:2306.05685"
)
_REPAIR = 'D. Bohus and A. I. Rudnicky, "Sorry, I Didn\'t Catch That!", SIGdial 2005'

_COMPLETION = Metric(
    id="task_completion",
    title="Task completion",
    formula="tasks whose goal was reached / tasks in which that was checked, by what cases declare",
    unit="share of tasks",
    better=Better.HIGHER,
    not_measured="Whether the goal was worth reaching, how pleasant the way was, or anything that "
    "the declared checks do not look at. Cases are as hard as their authors made them.",
    source='Success by the state reached: S. Yao et al., "τ-bench: A Benchmark for '
    'Tool-Agent-User Interaction in Real-World Domains" (2024), arXiv:2406.12045',
    tally=completed_by(Basis.CHECKS),
)
_ADHERENCE = Metric(
    id="adherence",
    title="Behaviour adherence",
    formula="behaviours that held / behaviours that were measured, over the last attempts at all "
    "answers",
    unit="share of measured behaviours",
    better=Better.HIGHER,
    not_measured="Whether the behaviour is a good one; answers that were not drawn for measuring; "
    "how often an answer was made again before it held.",
    source='Instruction-level accuracy: J. Zhou et al., "Instruction-Following Evaluation for '
    'Large Language Models" (2023), arXiv:2311.07911',
    tally=adherence,
)
METRICS: Mapping[str, Metric] = _by_id(
    _COMPLETION,
    replace(
        _COMPLETION,
        id="task_completion_judged",
        title="Task completion, as a judge sees it",
        formula="tasks whose goal a judge takes for reached / tasks that the judge answered for",
        not_measured="Whether the judge is right: see its agreement with labelled answers.",
        source=_JUDGES,
        tally=completed_by(Basis.JUDGE),
    ),
    replace(
        _COMPLETION,
        id="task_completion_reported",
        title="Task completion, as users report it",
        formula="sessions whose user says that the task was done / sessions whose user said",
        unit="share of sessions",
        not_measured="Sessions of users who say nothing, who are rarely like those who do.",
        source=_PARADISE,
        tally=completed_by(Basis.USER),
    ),
    Metric(
        id="satisfaction",
        title="Satisfaction",
        formula="sum of what users say, from 0 to 1 / tasks whose user said it",
        unit="mean from 0 to 1",
        better=Better.HIGHER,
        not_measured="Users who say nothing; whether the answers were right.",
        source=_PARADISE,
        kind=Kind.MEAN,
        tally=satisfaction_by(Basis.USER),
    ),
    Metric(
        id="satisfaction_predicted",
        title="Satisfaction, as a judge predicts it",
        formula="sum of what a judge predicts, from 0 to 1 / tasks that it predicts for",
        unit="mean from 0 to 1",
        better=Better.HIGHER,
        not_measured="What users say. Whether the judge predicts that well: see its agreement with "
        "labelled answers.",
        source=_JUDGES,
        kind=Kind.MEAN,
        tally=satisfaction_by(Basis.JUDGE),
    ),
    Metric(
        id="error_recovery",
        title="Error recovery",
        formula="episodes off course after which a turn is on course again / episodes off course "
        "(a failure, a refusal, a failed tool, a user's correction, a broken check)",
        unit="share of episodes",
        better=Better.HIGHER,
        not_measured="Errors that nobody saw: a record shows no failed tool, and no refusal in "
        "plain words. A refusal that was right counts as one where nobody said that the user asks "
        "for what is harmful. Errors in a request without a session are not scored.",
        source=_REPAIR,
        tally=recovery,
    ),
    Metric(
        id="recovery_turns",
        title="Turns until recovery",
        formula="sum of turns from the first one off course to the next one on course / episodes "
        "that were recovered",
        unit="turns",
        better=Better.LOWER,
        not_measured="Episodes that were never recovered: read it together with error recovery.",
        source=_REPAIR,
        kind=Kind.MEAN,
        tally=recovery_turns,
        low=1.0,
        high=math.inf,
    ),
    _ADHERENCE,
    Metric(
        id="persona_drift",
        title="Persona consistency: drift by turn",
        formula="slope of adherence over turns within a conversation: sum of (turn - mean turn) x "
        "(share of behaviours held) / sum of (turn - mean turn)^2, over all conversations",
        unit="change of adherence per turn",
        better=Better.HIGHER,
        not_measured="What no behaviour verifies; conversations with one measured turn. A steady "
        "persona and one that is steadily wrong have the same slope, 0: read it with adherence.",
        source='K. Li et al., "Measuring and Controlling Instruction (In)Stability in Language '
        'Model Dialogs", COLM 2024, arXiv:2402.10962',
        kind=Kind.MEAN,
        tally=drift,
        low=-1.0,
    ),
    Metric(
        id="over_refusal",
        title="Over-refusal",
        formula="harmless requests that were refused (blocked, escalated, or declined by the "
        "provider or the model) / harmless requests whose fate is known",
        unit="share of harmless requests",
        better=Better.LOWER,
        not_measured="Requests that nobody labelled harmless, so live traffic without labels; "
        "refusals in plain words, which look like answers, unless a case checks for them.",
        source='P. Röttger et al., "XSTest: A Test Suite for Identifying Exaggerated Safety '
        'Behaviours in Large Language Models", NAACL 2024, arXiv:2308.01263',
        tally=over_refusal,
    ),
    Metric(
        id="refusal_rate",
        title="Refusal rate",
        formula="requests that were refused (blocked, escalated, or declined by the provider or "
        "the model) / requests whose fate is known",
        unit="share of requests",
        better=Better.LOWER,
        not_measured="Whether a refusal was right: compare only traffic that was shared by chance, "
        "where both sides are asked the same things. Refusals in plain words.",
        source="the outcome and the end of the answer in the record",
        kind=Kind.SHARE,
        tally=each_exchange(lambda each: each.is_refused),
    ),
    Metric(
        id="failure_rate",
        title="Failure rate",
        formula="exchanges that the model's side or the gateway failed / all that no client broke "
        "off",
        unit="share of exchanges",
        better=Better.LOWER,
        not_measured="Answers that are wrong; failures that a route's fallback made good.",
        source="the status in the record",
        kind=Kind.SHARE,
        tally=each_exchange(failed),
    ),
    Metric(
        id="violation_rate",
        title="Violation rate",
        formula="tasks in which something left that policy does not allow / tasks in which that "
        "was checked",
        unit="share of tasks",
        better=Better.LOWER,
        not_measured="Violations that neither a check nor a judge looks for; live traffic that "
        "nobody labels. It says as much of the attacks tried as of the policy.",
        source='M. Mazeika et al., "HarmBench: A Standardized Evaluation Framework for Automated '
        'Red Teaming and Robust Refusal" (2024), arXiv:2402.04249',
        tally=violation,
    ),
    Metric(
        id="escalation_rate",
        title="Escalation rate",
        formula="tasks with an exchange whose outcome is escalate / all tasks",
        unit="share of tasks",
        better=Better.LOWER,
        not_measured="Whether handing over was right, and what came of it. An exchange that was "
        "escalated and then blocked counts as blocked.",
        source="the outcome in the record",
        tally=escalation,
    ),
    Metric(
        id="cost",
        title="Cost per task",
        formula="sum of tokens x price, over all exchanges of a task / tasks whose cost is known",
        unit="USD per task",
        better=Better.LOWER,
        not_measured="Models that answer detectors or judge; what runs the gateway. Without a "
        "price in banneton.yaml for the model that answered, the task's cost is not known.",
        source="what providers count and what banneton.yaml says that it costs",
        kind=Kind.MEAN,
        tally=cost,
        high=math.inf,
    ),
    Metric(
        id="first_token_ms",
        title="Time to first token",
        formula="sum of milliseconds from reading the request to the model's first event / "
        "exchanges with such an event",
        unit="ms",
        better=Better.LOWER,
        not_measured="How long the gateway holds text back after that, and the way to the user. A "
        "mean hides its tail.",
        source="OpenTelemetry semantic conventions for generative AI, "
        "gen_ai.server.time_to_first_token",
        kind=Kind.MEAN,
        tally=each_exchange(lambda each: each.first_token_ms),
        high=math.inf,
    ),
)
"""All metrics by id, but for those of single behaviours."""
