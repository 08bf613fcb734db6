"""Read the tail of a stream: what is certain in it, and where that ends.

Nothing is remembered between two readings but where the tail begins. That is enough because a tail
begins where no match of a shape and no pseudonym goes across, so that reading on from there finds
what reading the whole text would find.
"""

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from app.domain.decision import DetectorRef, UncheckedRun
from app.domain.finding import Detection, Finding, Found, Unchecked
from app.guardrails.context import NO_CONTEXT, Context
from app.guardrails.known import KnownPseudonyms
from app.guardrails.matches import MatchDetector
from app.guardrails.passage import Layer, Passage
from app.guardrails.places import Places, Span
from app.guardrails.rewrite import escapes
from app.guardrails.seen import inspect_run, outage
from app.guardrails.stage_plan import LocalRun, StagePlan

_NEAR = 16
"""How much of what is released is read again, in code points: shapes look at one."""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that a detector said, and the place it is about."""

    ref: DetectorRef
    about: Finding | UncheckedRun
    start: int
    end: int
    stops_at: int | None = None
    """Where the text ends if a rule stops it because of this; none for ``start``."""

    def moved(self, by: int) -> "Said":
        """The same, said of a text in which this one begins there."""
        about = self.about
        if isinstance(about, Finding):
            about = replace(about, start=about.start + by, end=about.end + by)
        return Said(self.ref, about, self.start + by, self.end + by, self.stops_at)


@dataclass(slots=True)
class Settled:
    """What is certain in a tail; offsets are those of the tail."""

    open_at: int
    """The earliest place from which something may still come."""
    said: list[Said] = field(default_factory=list)
    matches: set[Span] = field(default_factory=set)
    """Of shapes: where they go across a place, the text must not be cut there."""
    atoms: Places = field(default_factory=lambda: Places(()))
    """Known pseudonyms: detectors are not asked about what is inside them."""

    def moved(self, by: int) -> "Settled":
        """The same, with offsets of a text in which the tail begins there."""
        return Settled(
            self.open_at + by,
            [each.moved(by) for each in self.said],
            {(start + by, end + by) for start, end in self.matches},
            Places((start + by, end + by) for start, end in self.atoms.spans),
        )


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a channel's text."""

    text: str
    at: int
    """How much of it is released already: there for context only."""
    is_json: bool
    is_end: bool
    context: Context = NO_CONTEXT


class _Match(NamedTuple):
    """A match of a shape, in the original text."""

    shape: int
    start: int
    end: int
    seen: int
    """Up to here the text must be read to see one code point of the layer after the match."""

    def moved(self, by: int) -> "_Match":
        """The same, so many code points further on."""
        return _Match(self.shape, self.start + by, self.end + by, self.seen + by)


def _match(layer: Layer, shape: int, span: Span) -> _Match:
    start, end = layer.span(*span)
    has_more = span[1] < len(layer.text)
    return _Match(shape, start, end, layer.span(span[1], span[1] + 1)[1] if has_more else end)


def certain_up_to(plan: StagePlan, tail: Tail) -> int | None:
    """Up to where a tail is certain, where that is soon said: no shape matches in any layer.

    This is what most deltas of most answers cost. None means that ``settle`` has to say it.
    """
    first, near, layers = _near(tail)
    certain = len(near.text)
    for layer in layers:
        at = _place_in(layer, near.at)
        hits, open_ = plan.span_screen.look(layer.text[max(at - 1, 0) :])
        if hits:
            return None
        for index in open_:
            place = plan.span_shapes[index][2].open_at(layer.text, at)
            if place < len(layer.text):
                certain = min(certain, layer.span(place, place + 1)[0])
    return first + certain


def _near(tail: Tail) -> tuple[int, Tail, tuple[Layer, ...]]:
    """The tail with no more context than shapes look at, in all its layers; and where it begins."""
    first = max(tail.at - _NEAR, 0)
    if tail.is_json and first:
        first = escapes(tail.text, is_end=tail.is_end).before(first)
    near = Tail(tail.text[first:], tail.at - first, tail.is_json, tail.is_end) if first else tail
    if near.text.isascii() and not (tail.is_json and "\\" in near.text):
        return first, near, (Layer("original", near.text),)
    layers = Passage(near.text, is_json=tail.is_json, is_whole=False).layers
    if first and not all(_place_in(layer, near.at) for layer in layers):
        # All that is near is invisible: what stands before the tail is further back.
        return 0, tail, Passage(tail.text, is_json=tail.is_json, is_whole=False).layers
    return first, near, layers


def settle(plan: StagePlan, known: KnownPseudonyms, tail: Tail) -> Settled:
    """What the detectors that judge a span at a time are certain of."""
    atoms, open_at = known.scan(tail.text, tail.at, is_end=tail.is_end, is_json=tail.is_json)
    settled = Settled(open_at, atoms=Places(atom.span for atom in atoms))
    matches: dict[LocalRun, set[_Match]] = {}
    first, near, layers = _near(tail)
    for layer in layers:
        found_here, open_at = _scan_layer(plan, near, layer)
        settled.open_at = min(settled.open_at, first + open_at)
        for run, match in found_here:
            matches.setdefault(run, set()).add(match.moved(first))
    passage = Passage(tail.text, is_json=tail.is_json, is_whole=False, context=tail.context)
    for run, found in matches.items():
        settled.matches.update((match.start, match.end) for match in found)
        settled.said += (
            said
            for said in _ask(run, passage, found)
            if not settled.atoms.cover(said.start, said.end)
        )
    return settled


def _scan_layer(
    plan: StagePlan, tail: Tail, layer: Layer
) -> tuple[list[tuple[LocalRun, _Match]], int]:
    """The settled matches in a layer, and the earliest place of the text that is open there."""
    at = _place_in(layer, tail.at)
    # One code point before is enough for assertions; what lies further back has had its say.
    hits, open_ = plan.span_screen.look(layer.text[max(at - 1, 0) :])
    nothing_open = earliest = len(layer.text)
    found: list[tuple[LocalRun, _Match]] = []
    for index in hits:
        run, shape_index, shape = plan.span_shapes[index]
        spans, open_at = shape.scan(layer.text, at, is_end=tail.is_end)
        if spans and spans[-1][1] == nothing_open and not _is_sure(run, tail):
            open_at = min(open_at, spans.pop()[0])
        earliest = min(earliest, open_at)
        found += ((run, _match(layer, shape_index, span)) for span in spans)
    if not tail.is_end:
        others = (plan.span_shapes[index][2] for index in open_ if index not in hits)
        earliest = min([earliest, *(shape.open_at(layer.text, at) for shape in others)])
    is_open = earliest < nothing_open
    return found, layer.span(earliest, earliest + 1)[0] if is_open else len(tail.text)


def _is_sure(run: LocalRun, tail: Tail) -> bool:
    """Whether a match that ends where the text ends is certain.

    A match of a shape is; but a detector that looks closer may want to see one code point more.
    """
    return tail.is_end or isinstance(run.detector, MatchDetector)


def _place_in(layer: Layer, point: int) -> int:
    """The first code point of a layer that comes from ``point`` of the text or later."""
    return point if layer.starts is None else bisect_left(layer.starts, point)


def _ask(run: LocalRun, passage: Passage, matches: set[_Match]) -> list[Said]:
    """What a detector makes of the matches of its shapes.

    Where it fails, what it says up to the first match that it fails on, and the outage there: what
    is said must not depend on how much has been read.
    """
    detector = run.detector
    if isinstance(detector, MatchDetector):
        findings = {detector.finding(match.shape, match.start, match.end) for match in matches}
        return [Said(run.ref, finding, finding.start, finding.end) for finding in findings]
    said: list[Said] = []
    ordered = sorted(matches, key=lambda match: (match.seen, match.start))
    detection = _inspect_up_to(run, passage, ordered[-1])
    if not isinstance(detection, Unchecked):
        return _inside(run, detection, ordered)
    for number, match in enumerate(ordered, 1):
        detection = _inspect_up_to(run, passage, match)
        if isinstance(detection, Unchecked):
            said.append(Said(run.ref, outage(run.ref, detection), match.start, match.start))
            break
        said = _inside(run, detection, ordered[:number])
    return said


def _inspect_up_to(run: LocalRun, passage: Passage, match: _Match) -> Detection:
    text = passage.original[: match.seen]
    near = Passage(text, is_json=passage.is_json, is_whole=False, context=passage.context)
    return inspect_run(run, near)


def _inside(run: LocalRun, detection: Detection, matches: list[_Match]) -> list[Said]:
    """The findings that lie inside a match."""
    if not isinstance(detection, Found):
        return []
    inside = Places((match.start, match.end) for match in matches)
    return [
        Said(run.ref, finding, finding.start, finding.end)
        for finding in dict.fromkeys(detection.findings)
        if inside.cover(finding.start, finding.end)
    ]
