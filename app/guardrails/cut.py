"""How far a text may be released, given what was said about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.domain.decision import Outcome
from app.domain.finding import Finding
from app.guardrails.decide import Ruling, rulings_on
from app.guardrails.evaluate import Stop
from app.guardrails.rewrite import Escapes, Rewrite, merged
from app.guardrails.settle import Said, Span
from app.guardrails.stage_plan import StagePlan

_URGENCY = {Outcome.BLOCK: 0, Outcome.ESCALATE: 1, Outcome.UNCHECKED: 2}


@dataclass(frozen=True, slots=True)
class Halt:
    """Where a text ends, and why."""

    at: int
    stop: Stop


@dataclass(frozen=True, slots=True)
class Cut:
    """What of a text may be released, and how."""

    at: int
    """Up to here; no rewrite goes across it."""
    rewrites: list[Rewrite]
    """Merged; also those further on."""
    halt: Halt | None
    """Set once nothing that may still come could end the text earlier."""


@dataclass(frozen=True, slots=True)
class Edges:
    """Where a text must not be cut."""

    atoms: Sequence[Span] = ()
    """Places that are changed whole or not at all: known pseudonyms."""
    matches: Iterable[Span] = ()
    """Matches of shapes, so that reading on finds what reading the whole text would find."""
    escapes: Escapes | None = None
    """Of JSON text."""


def cut(
    plan: StagePlan, path: str, said: Iterable[Said], edges: Edges, open_at: int | None, length: int
) -> Cut:
    """How far a text may be released.

    Args:
        plan: Whose rules decide.
        path: Of the text.
        said: By detectors, all of it certain.
        edges: Where the text must not be cut.
        open_at: From where on more may be said; none where all has been said.
        length: Of the text, up to here.
    """
    rewrites: list[Rewrite] = []
    stops: list[tuple[int, int, int, Stop]] = []
    order = {rule.id: number for number, rule in enumerate(plan.rules)}
    for each in said:
        start, end = _widened(each, edges)
        for ruling in rulings_on(plan, each.ref, each.about):
            if ruling.rewrites:
                rewrites.append(_rewrite(ruling, start, end))
            elif ruling.stops:
                at = start if each.stops_at is None else each.stops_at
                stop = Stop(ruling.rule.id, ruling.outcome, plan.stage, path)
                stops.append((at, _URGENCY[stop.outcome], order[stop.rule], stop))
    changed = merged(rewrites)
    whole = [(rewrite.start, rewrite.end) for rewrite in changed] + list(edges.atoms)
    first = min(stops, default=None, key=lambda each: each[:3])
    if first is not None and (open_at is None or open_at > first[0]):
        at = _back(first[0], whole)
        return Cut(at, changed, Halt(at, first[3]))
    at = length if open_at is None else open_at
    if edges.escapes is not None:
        at = edges.escapes.before(at)
    at = _back(at, [*whole, *edges.matches])
    if first is not None:
        at = min(at, _back(first[0], whole))
    return Cut(at, changed, None)


def _back(point: int, spans: Sequence[Span]) -> int:
    """The point, moved back until no span goes across it."""
    moved = True
    while moved:
        moved = False
        for start, end in spans:
            if start < point < end:
                point = start
                moved = True
    return point


def _widened(said: Said, edges: Edges) -> Span:
    """The place that is said of, taking in whole what it takes in a part of."""
    start, end = said.start, said.end
    for first, last in edges.atoms:
        if first < start < last:
            start = first
        if first < end < last:
            end = last
    if edges.escapes is not None:
        start, end = edges.escapes.before(start), edges.escapes.after(end)
    return start, end


def _rewrite(ruling: Ruling, start: int, end: int) -> Rewrite:
    if not isinstance(ruling.about, Finding):
        raise TypeError("an outage has no place to rewrite; policies that say so do not load")
    return Rewrite(start, end, ruling.action, ruling.about.category, ruling.about.score)
