"""What happened inside a watched exchange, as texts with marks that say who did what, and why.

Every offset counts code points of the text that it stands beside.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate

from app.domain.catalog import Catalog, Source
from app.domain.decision import StageTrace, Trace
from app.domain.events import RefusalDelta, StreamEvent, TextDelta, ToolCallDelta
from app.domain.policy import Stage
from app.guardrails.answer import Text, place_after
from app.guardrails.rewrite import Edit, Rewritten
from app.pipeline.answer import ExchangeEvent
from app.pipeline.segments import segments
from app.pipeline.steps import Ask
from app.pipeline.witness import Sent, Witness
from app.review.explain import Explained, Fate, explain_trace
from app.review.marks import SEVERITY, Did, Mark, Marked, Note, mark_of, marked


@dataclass(frozen=True, slots=True)
class Near:
    """A rule that saw something, and too little to do anything."""

    rule: str
    stage: Stage
    detector: str
    score: float
    threshold: float | None
    """From which score on it would do something; none where it never does for this audience."""
    source: Source


@dataclass(frozen=True, slots=True)
class Passed:
    """One text before and after policy."""

    path: str
    before: Marked
    """As the user wrote it, or the model."""
    after: Marked
    """As the model got it, or the user."""

    @property
    def is_changed(self) -> bool:
        """Whether policy made another text of it."""
        return self.before.text != self.after.text


@dataclass(frozen=True, slots=True)
class Wait:
    """A piece of the answer, and how long it waited until it could leave."""

    start: int
    end: int
    """In what left."""
    at_ms: float
    """When it left."""
    waited_ms: float
    """Since its first code point came from the model."""


@dataclass(frozen=True, slots=True)
class Inside:
    """One exchange, seen from inside."""

    said: tuple[Passed, ...]
    """What the client sent, text by text."""
    sent: tuple[Sent, ...]
    """Each time that a model was asked."""
    answered: tuple[tuple[Passed, ...], ...]
    """Of each attempt at the answer, its texts. Only of the last one anything may have left."""
    notes: tuple[Note, ...]
    near: tuple[Near, ...]
    waits: tuple[Wait, ...]
    """Of the answer's text, piece by piece as it left."""


def inside(witness: Witness, catalog: Catalog) -> Inside:
    """What happened in an exchange that is over, or as far as it came.

    Args:
        witness: Of the exchange.
        catalog: By which it was served.
    """
    ask, opening, closing = witness.ask, witness.opening, witness.closing
    inspection = witness.inspection
    if ask is None or opening is None or inspection is None:
        return Inside((), (), (), (), (), ())
    trace = opening.trace if closing is None else (*opening.trace, *closing.trace)
    explained = list(_explained(catalog, ask, trace, opening.at))
    notes = tuple(note for stage, each in explained for note in _notes(stage, each))
    near = tuple(note for stage, each in explained for note in _near(stage, each))
    said = tuple(
        _passed(each.path, each.text, inspection.texts[each.path], way, _at(notes, each.path))
        for each in segments(ask.conversation)
        for way in [_Way((inspection.edits.get(each.path, ()),))]
    )
    answered = tuple(_answered(witness, notes))
    return Inside(said, tuple(witness.sent), answered, notes, near, tuple(_waits(witness)))


def _explained(
    catalog: Catalog, ask: Ask, trace: Trace, at: datetime
) -> Iterator[tuple[StageTrace, Explained]]:
    for stage in trace:
        for each in explain_trace(catalog, ask.served.plan, ask.audience, stage, at):
            yield stage, each


def _notes(stage: StageTrace, each: Explained) -> Iterator[Note]:
    for hit in each.hits:
        note = Note(
            rule=each.rule.id,
            action=hit.action,
            stage=stage.stage,
            detector=each.rule.detect.detector,
            path="",
            source=each.then.source,
            threshold=None if hit.step is None else hit.step.at,
            explanation=hit.reason,
            is_observed=each.fate is Fate.OBSERVED,
        )
        if not hit.findings:
            yield note
        for found in hit.findings:
            yield replace(
                note,
                path=found.path,
                category=found.category,
                score=found.score,
                start=found.start,
                end=found.end,
                explanation=found.explanation,
            )


def _near(stage: StageTrace, each: Explained) -> Iterator[Near]:
    if each.fate is Fate.BELOW and each.score is not None:
        yield Near(
            each.rule.id,
            stage.stage,
            each.rule.detect.detector,
            each.score,
            None if each.first is None else each.first.at,
            each.then.source,
        )


def _at(notes: Iterable[Note], path: str) -> list[Note]:
    return [note for note in notes if note.path == path]


@dataclass(frozen=True, slots=True)
class _Way:
    """How places of a text move through one set of changes after another."""

    steps: tuple[Sequence[Edit], ...]

    def on(self, point: int) -> int:
        """Where a place of the first text is in the last one."""
        for edits in self.steps:
            point = place_after(point, edits)
        return point

    def back(self, start: int, end: int) -> tuple[int, int]:
        """What of the first text a part of the last one comes from."""
        for edits in reversed(self.steps):
            start, end = Rewritten("", tuple(edits)).to_original(start, end)
        return start, end

    def changes(self) -> Iterator[tuple[int, Edit]]:
        """The number of each step, and its changes: places in the first text, and in the last."""
        for number, edits in enumerate(self.steps):
            before, after = _Way(self.steps[:number]), _Way(self.steps[number + 1 :])
            for edit in edits:
                start, end = before.back(edit.start, edit.end)
                new_start, new_end = after.on(edit.new_start), after.on(edit.new_end)
                yield number, Edit(start, end, new_start, new_end)


_RESTORING = 1
"""The number of the step in which values are put back into an answer."""
_REWRITES = frozenset({Did.MASKED, Did.PSEUDONYMIZED})


def _passed(path: str, before: str, after: str, way: _Way, notes: Sequence[Note]) -> Passed:
    """A text with the marks of what was done about it, on either side."""
    places = [mark_of(note, len(before)) for note in notes]
    left = [
        replace(mark, start=way.on(mark.start), end=way.on(mark.end))
        for mark in places
        if mark.did not in _REWRITES
    ]
    changed = []
    for number, edit in way.changes():
        about = tuple(
            note
            for mark in places
            if mark.start < edit.end and edit.start < mark.end
            for note in mark.notes
            if note.did in _REWRITES and number != _RESTORING
        )
        by_default = Did.RESTORED if number == _RESTORING else Did.MASKED
        did = max((note.did for note in about), key=SEVERITY.__getitem__, default=by_default)
        changed.append(Mark(edit.start, edit.end, did, about))
        left.append(Mark(edit.new_start, edit.new_end, did, about))
    places += changed
    return Passed(path, marked(before, places), marked(after, left))


def _answered(witness: Witness, notes: Sequence[Note]) -> Iterator[tuple[Passed, ...]]:
    """The texts of each attempt at the answer."""
    left = _left(each.event for each in witness.left)
    last = len(witness.guards) - 1
    for number, guard in enumerate(witness.guards):
        prefix = "" if number == last else f"attempts[{number}]."
        yield tuple(
            _text(
                choice.path(of),
                text,
                left.get(choice.path(of), "") if number == last else "",
                _at(notes, prefix + choice.path(of)),
            )
            for choice in guard.choices.values()
            for of, text in choice.texts.items()
        )


def _left(events: Iterable[ExchangeEvent]) -> dict[str, str]:
    """What the client was given, by the path of the text that it is of."""
    parts: dict[str, list[str]] = {}
    for event in events:
        for path, text in _pieces(event):
            parts.setdefault(path, []).append(text)
    return {path: "".join(texts) for path, texts in parts.items()}


def _pieces(event: ExchangeEvent) -> Iterator[tuple[str, str]]:
    match event:
        case TextDelta(text, choice):
            yield f"choices[{choice}].text", text
        case RefusalDelta(text, choice):
            yield f"choices[{choice}].refusal", text
        case ToolCallDelta():
            call = f"choices[{event.choice}].tool_calls[{event.index}]"
            yield f"{call}.name", event.name or ""
            yield f"{call}.arguments", event.arguments
        case _:
            return


def _text(path: str, text: Text, left: str, notes: Sequence[Note]) -> Passed:
    """One text of the answer: as the model wrote it, and as the user got it."""
    written, way = text.channel.text, _way(text)
    passed = _passed(path, written, left, way, notes)
    body = len(left.removesuffix(text.added))
    shown = way.back(body, body)[1]
    before, after = list(passed.before.marks), list(passed.after.marks)
    if shown < len(written):
        before.append(Mark(shown, len(written), Did.WITHHELD))
    if body < len(left):
        after.append(Mark(body, len(left), Did.ADDED))
    return Passed(path, marked(written, before), marked(left, after))


def _way(text: Text) -> _Way:
    restored = () if text.restorer is None else tuple(text.restorer.edits)
    left = () if text.exit is None else tuple(text.exit.edits)
    return _Way((tuple(text.channel.edits), restored, left))


def _waits(witness: Witness) -> Iterator[Wait]:
    """How long each piece of the first choice's text waited."""
    texts = [guard.choices[0].texts for guard in witness.guards[-1:] if 0 in guard.choices]
    if not texts or "text" not in texts[0]:
        return
    text = texts[0]["text"]
    way, last = _way(text), len(witness.guards) - 1
    came = [
        (each.at_ms, len(_said_in(each.event)))
        for sent in witness.sent
        if sent.attempt == last
        for each in sent.came
    ]
    ends = list(accumulate(length for _, length in came))
    at = 0
    for each in witness.left:
        start, at = at, at + len(_said_in(each.event))
        place = way.back(start, at)[0]
        arrived = next((ms for (ms, _), end in zip(came, ends, strict=True) if end > place), None)
        if at > start and arrived is not None:
            yield Wait(start, at, each.at_ms, each.at_ms - arrived)


def _said_in(event: ExchangeEvent | StreamEvent) -> str:
    return event.text if isinstance(event, TextDelta) and event.choice == 0 else ""
