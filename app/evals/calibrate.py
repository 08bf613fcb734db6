"""The threshold of each rule and audience that keeps false alarms within a policy's budget."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.domain.finding import FLOOR
from app.domain.policy import STOPS, Policy, Rule, Step, Steps
from app.evals.scores import Scored, is_about
from app.metrics.intervals import Share

_STEP = 10_000
"""Thresholds are written with four decimals."""


@dataclass(frozen=True, slots=True)
class Point:
    """What a threshold does."""

    at: float
    false_alarms: Share
    caught: Share


@dataclass(frozen=True, slots=True)
class Calibration:
    """What one rule does for one audience now, and what it would do within the budget."""

    rule: str
    audience: str
    budget: float
    step: int
    """Which of the audience's steps first stops a text: the one whose threshold this is."""
    now: Point
    best: Point | None
    """None where even the highest threshold breaks the budget."""
    by_category: Mapping[str, Share]
    """Of the harmful texts, what ``best`` catches, or ``now`` where there is no ``best``."""
    curve: tuple[Point, ...]
    """What each threshold would do, lowest first."""

    @property
    def is_proved(self) -> bool:
        """Whether the sample is large enough to say that ``best`` keeps the budget."""
        return self.best is not None and self.best.false_alarms.interval[1] <= self.budget


def calibrations(
    policy: Policy, budget: Mapping[str, float], scored: Sequence[Scored]
) -> Iterator[Calibration]:
    """For every rule that stops texts by score, and every audience.

    A rule of which no harmless text says anything is left out, as is one that stops nothing.

    Args:
        policy: Whose rules are calibrated.
        budget: For every audience, the share of harmless texts that a rule may stop.
        scored: Texts as the policy's detectors see them.
    """
    for rule in policy.rules:
        about = [
            (each, each.scores[rule.id])
            for each in scored
            if rule.id in each.scores and is_about(rule, each.text)
        ]
        harmless = sorted(score for each, score in about if not each.text.is_harmful)
        harmful = [(each.text.category, score) for each, score in about if each.text.is_harmful]
        if not harmless:
            continue
        caught = [score for _, score in harmful]
        curve = tuple(_curve(harmless, caught))
        for audience in policy.audiences:
            step = stopping_step(rule.then[audience])
            if step is None:
                continue
            at = rule.then[audience][step].at
            now = _point(at, harmless, caught)
            best_at = threshold(harmless, budget[audience])
            best = None if best_at is None else _point(best_at, harmless, caught)
            yield Calibration(
                rule=rule.id,
                audience=audience,
                budget=budget[audience],
                step=step,
                now=now,
                best=best,
                by_category=dict(_by_category(harmful, best_at or at)),
                curve=curve,
            )


def stopping_step(steps: Steps) -> int | None:
    """The first step that blocks or escalates; none where nothing does, or whatever is found."""
    first = next((number for number, step in enumerate(steps) if step.do in STOPS), None)
    return first if first is not None and steps[first].at > 0 else None


def threshold(harmless: Sequence[float], budget: float) -> float | None:
    """The lowest threshold, of four decimals, that at most this share of harmless scores reach.

    Args:
        harmless: Scores of harmless texts, ascending; at least one.
        budget: A share in [0, 1].
    """
    allowed = math.floor(budget * len(harmless) + 1e-9)
    if allowed >= len(harmless):
        return FLOOR
    highest_kept = harmless[len(harmless) - 1 - allowed]
    at = (math.floor(highest_kept * _STEP) + 1) / _STEP
    if at > 1:
        return None
    return max(at, FLOOR)


def _point(at: float, harmless: Sequence[float], harmful: Sequence[float]) -> Point:
    return Point(at, _reaching(at, harmless), _reaching(at, harmful))


def _reaching(at: float, scores: Sequence[float]) -> Share:
    return Share(sum(score >= at for score in scores), len(scores))


def _curve(harmless: Sequence[float], harmful: Sequence[float]) -> Iterator[Point]:
    places = sorted({FLOOR, 1.0, *(max(score, FLOOR) for score in (*harmless, *harmful))})
    for at in places:
        yield _point(at, harmless, harmful)


def _by_category(harmful: Sequence[tuple[str, float]], at: float) -> Iterator[tuple[str, Share]]:
    for category in sorted({category for category, _ in harmful}):
        scores = [score for each, score in harmful if each == category]
        yield category or "(none)", _reaching(at, scores)


def moved(rule: Rule, calibration: Calibration) -> Steps:
    """The rule's steps for the audience with the new threshold.

    Steps below it that would come after it now are dropped: they would never be reached.
    """
    steps = rule.then[calibration.audience]
    if calibration.best is None:
        return steps
    new = Step(calibration.best.at, steps[calibration.step].do)
    before = tuple(step for step in steps[: calibration.step] if step.at < new.at)
    after = tuple(step for step in steps[calibration.step + 1 :] if step.at > new.at)
    return (*before, new, *after)
