"""Read the tail of a stream: what is certain in it, and where that ends.

Nothing is remembered between two readings but where the tail begins. That is enough because a tail
begins where no match of a shape and no pseudonym goes across, so that reading on from there finds
what reading the whole text would find.
"""

from bisect import bisect_left
from dataclasses import dataclass, field, replace

from app.domain.decision import DetectorRef, UncheckedRun
from app.domain.finding import Detection, Finding, Found, Unchecked
from app.guardrails.evaluate import inspect_run, outage
from app.guardrails.matches import MatchDetector
from app.guardrails.passage import Layer, Passage
from app.guardrails.pseudonyms import KnownTokens
from app.guardrails.stage_plan import LocalRun, StagePlan

Span = tuple[int, int]


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
    atoms: list[Span] = field(default_factory=list)
    """Known pseudonyms: detectors are not asked about what is inside them."""

    def moved(self, by: int) -> "Settled":
        """The same, with offsets of a text in which the tail begins there."""
        return Settled(
            self.open_at + by,
            [each.moved(by) for each in self.said],
            {(start + by, end + by) for start, end in self.matches},
            [(start + by, end + by) for start, end in self.atoms],
        )


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a channel's text."""

    text: str
    at: int
    """How much of it is released already: there for context only."""
    is_json: bool
    is_end: bool


def settle(plan: StagePlan, tokens: KnownTokens, tail: Tail) -> Settled:
    """What the detectors that judge a span at a time are certain of."""
    passage = Passage(tail.text, is_json=tail.is_json, is_whole=False)
    atoms, open_at = tokens.scan(tail.text, tail.at, is_end=tail.is_end)
    settled = Settled(min(open_at, _read_up_to(passage, tail)), atoms=atoms)
    matches: dict[LocalRun, set[tuple[int, int, int]]] = {}
    for layer in passage.layers:
        for run, index, span in _scan_layer(plan, tail, layer, settled):
            matches.setdefault(run, set()).add((index, *span))
    for run, found in matches.items():
        settled.matches.update((start, end) for _, start, end in found)
        settled.said += (
            said
            for said in _ask(run, passage, found)
            if not any(start <= said.start and said.end <= end for start, end in atoms)
        )
    return settled


def _scan_layer(
    plan: StagePlan, tail: Tail, layer: Layer, settled: Settled
) -> list[tuple[LocalRun, int, Span]]:
    """The settled matches in a layer; moves ``settled.open_at`` to what is open there."""
    at = _place_in(layer, tail.at)
    # One code point before is enough for assertions; what lies further back has had its say.
    hits = plan.span_screen.hits(layer.text[max(at - 1, 0) :].encode("utf-8", "replace"))
    nothing_open = len(layer.text)
    earliest = nothing_open
    found: list[tuple[LocalRun, int, Span]] = []
    for hit in hits:
        run, index, shape = plan.span_shapes[hit]
        spans, open_at = shape.scan(layer.text, at, is_end=tail.is_end)
        if spans and spans[-1][1] == nothing_open and not _is_sure(run, tail):
            open_at = min(open_at, spans.pop()[0])
        earliest = min(earliest, open_at)
        found += ((run, index, layer.span(*span)) for span in spans)
    if not tail.is_end:
        earliest = min(earliest, _open_elsewhere(plan, layer, (at, earliest), hits))
    if earliest < nothing_open:
        settled.open_at = min(settled.open_at, layer.span(earliest, earliest + 1)[0])
    return found


def _is_sure(run: LocalRun, tail: Tail) -> bool:
    """Whether a match that ends where the text ends is certain.

    A match of a shape is; but a detector that looks closer may want to see one code point more.
    """
    return tail.is_end or isinstance(run.detector, MatchDetector)


def _open_elsewhere(plan: StagePlan, layer: Layer, read: Span, hits: list[int]) -> int:
    """The earliest place that is open to a shape that has no match in the layer.

    The screen answers for all shapes at once. Where it says more than the shapes that match do,
    because a place is taken or a match would be too long, the others are asked one by one.
    """
    at, earliest = read
    data = layer.text[at:].encode("utf-8", "replace")
    before = layer.text[max(at - 1, 0) : at].encode("utf-8", "replace")
    start = len(before)
    screened = plan.span_screen.open_at(before + data, start) - start
    screened = at + len(data[:screened].decode())
    if screened >= earliest or (not hits and plan.screen_is_exact):
        return screened
    matching = set(hits)
    return min(
        (
            shape.scan(layer.text, at, is_end=False)[1]
            for index, (_, _, shape) in enumerate(plan.span_shapes)
            if index not in matching
        ),
        default=earliest,
    )


def _place_in(layer: Layer, point: int) -> int:
    """The first code point of a layer that comes from ``point`` of the text or later."""
    return point if layer.starts is None else bisect_left(layer.starts, point)


def _read_up_to(passage: Passage, tail: Tail) -> int:
    """How far the layers have read: an escape that the tail cuts off is in none of them."""
    if tail.is_json and not tail.is_end:
        for layer in passage.layers:
            if layer.name == "json" and layer.ends is not None:
                return layer.ends[-1] if layer.ends else 0
    return len(tail.text)


def _ask(run: LocalRun, passage: Passage, matches: set[tuple[int, int, int]]) -> list[Said]:
    """What a detector makes of the matches of its shapes."""
    detector = run.detector
    if isinstance(detector, MatchDetector):
        return [
            Said(run.ref, finding, finding.start, finding.end)
            for finding in {detector.finding(*match) for match in matches}
        ]
    spans = sorted((start, end) for _, start, end in matches)
    detection = inspect_run(run, passage)
    if isinstance(detection, Unchecked):
        return _ask_in_turn(run, passage, spans, outage(run.ref, detection))
    return _inside(run, detection, spans)


def _ask_in_turn(
    run: LocalRun, passage: Passage, spans: list[Span], failure: UncheckedRun
) -> list[Said]:
    """What was said before the first match that the detector fails on, and the outage there.

    Asked match by match, so that what is said does not depend on how much has been read.
    """
    said: list[Said] = []
    for start, end in spans:
        upto = Passage(passage.original[: end + 1], is_json=passage.is_json, is_whole=False)
        detection = inspect_run(run, upto)
        if isinstance(detection, Unchecked):
            return [*said, Said(run.ref, failure, start, start)]
        said = _inside(run, detection, [span for span in spans if span[1] <= end])
    return [*said, Said(run.ref, failure, spans[0][0], spans[0][0])]


def _inside(run: LocalRun, detection: Detection, spans: list[Span]) -> list[Said]:
    """The findings that lie inside a match."""
    if not isinstance(detection, Found):
        return []
    return [
        Said(run.ref, finding, finding.start, finding.end)
        for finding in dict.fromkeys(detection.findings)
        if any(start <= finding.start and finding.end <= end for start, end in spans)
    ]
