"""How far a text may be released, given what was said about it."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.domain.finding import Finding
from app.guardrails.decide import URGENCY, Ruling, Stop, rulings_on
from app.guardrails.places import Places, Span
from app.guardrails.rewrite import Rewrite, merged
from app.guardrails.settle import Said
from app.guardrails.stage_plan import StagePlan


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

    atoms: Places
    """Places that are changed whole or not at all: known pseudonyms."""
    matches: Iterable[Span]
    """Matches of shapes, so that reading on finds what reading the whole text would find."""
    escapes: Places
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
                stops.append((at, URGENCY[stop.outcome], order[stop.rule], stop))
    changed = merged(rewrites)
    uncut = [(rewrite.start, rewrite.end) for rewrite in changed] + edges.atoms.spans
    first = min(stops, default=None, key=lambda each: each[:3])
    stops_at = None if first is None else Places(uncut).before(first[0])
    if first is not None and stops_at is not None and (open_at is None or open_at > first[0]):
        return Cut(stops_at, changed, Halt(stops_at, first[3]))
    if open_at is None:
        return Cut(length, changed, None)
    at = Places([*uncut, *edges.matches]).before(edges.escapes.before(open_at))
    return Cut(at if stops_at is None else min(at, stops_at), changed, None)


def _widened(said: Said, edges: Edges) -> Span:
    """The place that is said of, taking in whole what it takes in a part of."""
    start, end = edges.atoms.before(said.start), edges.atoms.after(said.end)
    return edges.escapes.before(start), edges.escapes.after(end)


def _rewrite(ruling: Ruling, start: int, end: int) -> Rewrite:
    if not isinstance(ruling.about, Finding):
        raise TypeError("an outage has no place to rewrite; policies that say so do not load")
    about = ruling.about
    return Rewrite(start, end, ruling.action, about.category, about.score, ruling.rule.pseudonym)
