"""The sections about metrics, and about what nobody can say."""

import math
from collections.abc import Iterator, Sequence

from app.metrics.compare import Movement, Verdict
from app.metrics.definitions import Better
from app.review.plan import Evaluated, Plan
from app.review.replayed import Replayed, State
from app.review.report.page import (
    Block,
    Code,
    Lines,
    Said,
    Section,
    Span,
    Spans,
    Table,
    Tone,
)
from app.review.wording import (
    age_in_words,
    amount_in_words,
    counts_in_words,
    estimate_in_words,
    printable,
)

_VERDICTS = {
    Verdict.BETTER: "better",
    Verdict.WORSE: "worse",
    Verdict.NOISE: "within noise",
    Verdict.TOO_FEW: "too few cases to tell",
    Verdict.NOT_SCORED: "not scored",
}
_MOVED = (Verdict.WORSE, Verdict.BETTER)
_SPANS = 8
"""Differences in the picture, where fewer have moved."""
_ORDER = (Verdict.WORSE, Verdict.BETTER, Verdict.NOISE, Verdict.TOO_FEW, Verdict.NOT_SCORED)


def metrics(plan: Plan) -> Iterator[Section]:
    """Metrics before and after, those that are worse first."""
    evaluated = plan.evaluated
    if evaluated is None:
        return
    ordered = sorted(evaluated.movements, key=lambda each: _ORDER.index(each.verdict))
    scored = [each for each in ordered if each.verdict is not Verdict.NOT_SCORED]
    moved = [each for each in scored if each.verdict in _MOVED]
    blocks: list[Block] = []
    if spans := [span for each in scored if (span := _span(each, evaluated))]:
        shown = tuple(spans[: max(_SPANS, len(moved))])
        blocks.append(Spans("Metrics, with 95 % intervals", "worse", "better", shown))
    if moved:
        blocks.append(_table(moved, evaluated))
    blocks.append(Lines(tuple(_about(plan, evaluated))))
    worse = [each for each in scored if evaluated.is_worse(each)]
    title, tone = "No metric is worse beyond noise", Tone.GOOD
    if worse:
        title, tone = f"{len(worse)} of {len(scored)} metrics worse beyond noise", Tone.BAD
    elif not scored:
        title, tone = "No metric could be scored", Tone.WARN
    yield Section(title, tuple(blocks), tone)
    if rest := [each for each in scored if each not in moved]:
        title = f"{len(rest)} metrics that did not move, or nobody can tell"
        yield Section(title, (_table(rest, evaluated),), is_folded=True)


def _table(found: Sequence[Movement], evaluated: Evaluated) -> Table:
    columns = ("metric", "before", "after", "difference a case (95 %)", "p", "cases", "verdict")
    rows = tuple(_row(each, evaluated) for each in found)
    return Table(columns, rows, has_figures=True)


def _row(movement: Movement, evaluated: Evaluated) -> tuple[Said, ...]:
    metric = movement.metric
    verdict = _VERDICTS[movement.verdict]
    if metric.id in evaluated.may_not_gate and movement.verdict is Verdict.WORSE:
        verdict += "; decides nothing: " + evaluated.may_not_gate[metric.id]
    p = "" if movement.p_adjusted is None else _p(movement.p_adjusted)
    return (
        (printable(metric.title),),
        (estimate_in_words(movement.before),),
        (estimate_in_words(movement.after),),
        (_difference(movement),),
        (p,),
        (f"{movement.of:,}",),
        (printable(verdict),),
    )


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"  # noqa: PLR2004  # as it is written everywhere


def _difference(movement: Movement) -> str:
    if movement.difference is None:
        return ""
    unit = movement.metric.unit
    said = amount_in_words(unit, movement.difference, sign=True)
    if movement.interval is None or not all(map(math.isfinite, movement.interval)):
        return said
    low, high = (amount_in_words(unit, bound, sign=True) for bound in movement.interval)
    return f"{said} ({low.partition(' ')[0]} to {high.partition(' ')[0]})"


def _span(movement: Movement, evaluated: Evaluated) -> Span | None:
    """The difference on a scale of its own, with what is worse on the left."""
    if movement.difference is None or movement.interval is None:
        return None
    bounds = (movement.difference, *movement.interval)
    scale = max(abs(each) for each in bounds)
    if not 0 < scale < float("inf"):
        return None
    sign = 1 if movement.metric.better is Better.HIGHER else -1
    point, *ends = (sign * each / scale for each in bounds)
    tone = {Verdict.WORSE: Tone.BAD, Verdict.BETTER: Tone.GOOD}.get(movement.verdict, Tone.PLAIN)
    if tone is Tone.BAD and not evaluated.is_worse(movement):
        tone = Tone.WARN
    title = printable(movement.metric.title)
    return Span(title, point, min(ends), max(ends), tone, f"{title}: {_difference(movement)}")


def _about(plan: Plan, evaluated: Evaluated) -> Iterator[Said]:
    suites = printable(", ".join(evaluated.suites)) or "no suite"
    yield (
        (
            f"{evaluated.cases:,} cases of {suites}, the same before and after, paired by case; "
            "p is "
            "corrected for the number of metrics."
        ),
    )
    if evaluated.recorded_at is not None:
        age = age_in_words(plan.made_at - evaluated.recorded_at)
        yield (f"Answers were recorded; the oldest is {age} old.",)


def not_said(plan: Plan) -> Iterator[Section]:
    """What this plan cannot say, plainly."""
    lines: list[Said] = []
    if plan.replayed is None:
        lines.append(
            ("Nobody looked at recorded traffic: ", Code("--records FILE"), " decides it again.")
        )
    else:
        lines += _of_records(plan.replayed)
    if plan.evaluated is None:
        lines.append(("No metric was measured: ", Code("--evals"), " runs the suites."))
    else:
        lines += _of_evals(plan.evaluated)
    yield Section("What this does not say", (Lines(tuple(lines)),))


def _of_records(replayed: Replayed) -> Iterator[Said]:
    if count := replayed.state(State.NEEDS_DETECTOR):
        needs = "; ".join(
            f"{each.detector} for {', '.join(each.rules)} of {each.policy} ({each.count:,})"
            for each in replayed.needs
        )
        yield (
            (
                f"{count:,} records need a detector that did not look then, and could end more "
                f"severely than is said here: {printable(needs)}."
            ),
        )
    if count := replayed.state(State.COUNTERFACTUAL):
        yield (
            (
                f"{count:,} records were stopped then and would go on: there is no answer, or "
                "no rest "
                "of one, to look at."
            ),
        )
    if count := replayed.state(State.NOT_REPLAYABLE):
        why = counts_in_words(replayed.reasons)
        yield (f"{count:,} records cannot be replayed: {why.replace('_', ' ')}.",)
    if replayed.baseline.drifted:
        yield (
            (
                f"{replayed.baseline.drifted:,} records do not replay to what was decided under "
                "the "
                "very same files: the gateway was another version, or had other extras."
            ),
        )
    if replayed.left_out:
        rules = ", ".join(f"{rule} of {policy}" for policy, rule in replayed.left_out)
        yield (f"Rules that do not run in this installation: {printable(rules)}.",)


def _of_evals(evaluated: Evaluated) -> Iterator[Said]:
    unscored = [each for each in evaluated.movements if each.verdict is Verdict.NOT_SCORED]
    if unscored:
        names = ", ".join(each.metric.title for each in unscored)
        yield (f"Not scored: {printable(names)}.",)
    for metric, why in evaluated.may_not_gate.items():
        yield (printable(f"{metric} decides nothing: {why}."),)
    for note in evaluated.notes:
        yield (printable(note),)
