"""A watched exchange as a template shows it: pieces of text with marks, rows, times and costs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from app.catalog.origins import Origins
from app.console.visit import Visit
from app.domain.catalog import Catalog, Source
from app.domain.conduct import Conduct, Measured
from app.domain.conversation import Message, Origin, Sampling, TextPart
from app.domain.decision import Outcome
from app.domain.events import Usage
from app.pipeline.answer import Closed, Opened, Stopped
from app.pipeline.witness import Asked, Sent, Witness
from app.review.inside import Inside, Near, Passed
from app.review.marks import Did, Mark, Marked, Note

_ANSWER = "choices[0].text"


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text; one that something was done about has a mark."""

    text: str = field(repr=False)
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A text with what it is called."""

    name: str
    pieces: tuple[Piece, ...]
    role: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A behaviour that was measured, and the line that states it."""

    measured: Measured
    source: Source | None


@dataclass(frozen=True, slots=True)
class Call:
    """One time that a model was asked."""

    sent: Sent
    host: str
    """Empty for this machine."""
    problem: str | None
    system: str = field(repr=False)
    messages: tuple[Named, ...] = ()
    sampling: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """One turn."""

    place: str
    """A name for elements of the page."""
    persona: str
    said: tuple[tuple[Piece, ...], tuple[Piece, ...]]
    """What the user said: as they wrote it, and as it was passed on."""
    answer: tuple[tuple[Piece, ...], tuple[Piece, ...]]
    """As the user got it, and as the model wrote it."""
    is_over: bool = False
    is_passed_on: bool = True
    """Whether what the user said was, or would have been, passed on."""
    reply: str = ""
    """The persona's own words, where policy stopped the answer."""
    is_error: bool = False
    """Where policy stops an answer, the client gets an error instead of words."""
    failure: str | None = None
    """What went wrong, in words."""
    outcome: Outcome | None = None
    request_id: str = ""
    catalog: str = ""
    others: tuple[tuple[Named, Named], ...] = ()
    """Other texts that something was done about, before and after."""
    earlier: tuple[tuple[Piece, ...], ...] = ()
    """Attempts at the answer that were made again."""
    calls: tuple[Call, ...] = ()
    asked: tuple[Asked, ...] = ()
    notes: tuple[tuple[Note, str], ...] = ()
    """With what the text is called that each is about."""
    near: tuple[Near, ...] = ()
    behaviours: tuple[Kept, ...] = ()
    input_ms: float | None = None
    first_ms: float | None = None
    """Until the model's first event."""
    shown_ms: float | None = None
    """Until the user had the first words."""
    total_ms: float | None = None
    usage: Usage | None = None
    cost: float | None = None
    """In USD; none where nobody said what the model costs."""
    longest: tuple[int, float] | None = None
    """Of what waited longest: how many code points, and for how many milliseconds."""
    withheld: int = 0
    """Code points that the model wrote and nobody was shown."""
    history: tuple[str, str] | None = None
    """What a client would send again of this turn; none where it gave no answer."""


def told(visit: Visit, witness: Witness, seen: Inside, catalog: Catalog, place: str) -> Told:
    """What there is to tell, as far as the exchange came.

    Args:
        visit: In whose language it is told.
        witness: Of the exchange.
        seen: What happened in it.
        catalog: By which it was served.
        place: A name for elements of the page.
    """
    opened = next((e.event for e in witness.left if isinstance(e.event, Opened)), None)
    closing, names = witness.closing, _Names(visit, len(seen.said))
    stops = [e.event for e in witness.left if isinstance(e.event, Stopped)]
    is_over = any(isinstance(each.event, Closed) for each in witness.left)
    last = [each for each in seen.said if each.path.startswith("messages[")][-1:]
    answers = [each for each in seen.answered[-1] if each.path == _ANSWER] if seen.answered else []
    answer = answers[0] if answers else Passed(_ANSWER, Marked(""), Marked(""))
    ask, reply = witness.ask, "" if not stops or stops[0].is_error else stops[0].reply
    got = "\n\n".join(text for text in (answer.after.text, reply) if text)
    texts = [*seen.said, *(each for attempt in seen.answered[-1:] for each in attempt)]
    shown = [each.at_ms for each in witness.left if getattr(each.event, "text", "")]
    waits = max(seen.waits, key=lambda each: each.waited_ms, default=None)
    attempts = () if closing is None else closing.attempts
    usage = None if closing is None else closing.usage
    return Told(
        place=place,
        persona="" if ask is None else ask.served.persona.name,
        said=_sides(last[0]) if last else ((), ()),
        answer=_sides(answer),
        is_over=is_over,
        is_passed_on=witness.inspection is None or witness.inspection.stop is None,
        reply=reply,
        is_error=any(stop.is_error for stop in stops),
        outcome=None if closing is None else closing.outcome,
        request_id="" if opened is None else opened.request_id,
        catalog="" if opened is None else opened.catalog,
        others=tuple(
            (names.named(each.path, each.before), names.named(each.path, each.after))
            for each in texts
            if each not in (*last, answer) and (each.before.marks or each.after.marks)
        ),
        earlier=tuple(
            pieces(each.before)
            for attempt in seen.answered[:-1]
            for each in attempt
            if each.path == _ANSWER
        ),
        calls=tuple(
            _call(visit, names, sent, problem, seen.said)
            for sent, problem in _with_problems(witness)
        ),
        asked=tuple(witness.asked),
        notes=tuple((note, names.of(note.path)) for note in seen.notes),
        near=seen.near,
        behaviours=tuple(_behaviours(witness, catalog)),
        input_ms=None if closing is None else closing.timings.input_ms,
        first_ms=None if closing is None else closing.timings.first_token_ms,
        shown_ms=shown[0] if shown else None,
        total_ms=None if closing is None else closing.timings.total_ms,
        usage=usage,
        cost=_cost(visit, usage, [(each.backend, each.model) for each in attempts]),
        longest=None if waits is None else (waits.end - waits.start, waits.waited_ms),
        withheld=_withheld(answer),
        history=(last[0].before.text, got) if last and is_over and got else None,
    )


def pieces(marked: Marked) -> tuple[Piece, ...]:
    """A text cut where its marks begin and end."""
    made: list[Piece] = []
    at = 0
    for mark in marked.marks:
        if at < mark.start:
            made.append(Piece(marked.text[at : mark.start]))
        made.append(Piece(marked.text[mark.start : mark.end], mark))
        at = mark.end
    if at < len(marked.text):
        made.append(Piece(marked.text[at:]))
    return tuple(made)


def _sides(passed: Passed) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Of what a user says: theirs first. Of an answer: what the user got first."""
    before, after = pieces(passed.before), pieces(passed.after)
    return (after, before) if passed.path == _ANSWER else (before, after)


def _withheld(answer: Passed) -> int:
    hidden = {Did.WITHHELD, Did.BLOCKED, Did.ESCALATED}
    return sum(mark.end - mark.start for mark in answer.before.marks if mark.did in hidden)


class _Names:
    """What texts are called, in the visitor's language."""

    def __init__(self, visit: Visit, messages: int) -> None:
        self._visit = visit
        self._messages = messages

    def of(self, path: str) -> str:
        """Of the text at a path."""
        words = self._visit.words
        attempt = re.match(r"attempts\[(\d+)\]\.(.*)", path)
        if attempt is not None:
            return words("turn.in_attempt", number=int(attempt[1]) + 1, what=self.of(attempt[2]))
        turn = re.match(r"messages\[(\d+)\]", path)
        if turn is not None:
            number = int(turn[1])
            key = "turn.earlier_answer" if number % 2 else "turn.message"
            return words(key, number=number // 2 + 1)
        variable = re.match(r"banneton\.variables\.(\w+)", path)
        if variable is not None:
            return words("turn.variable", name=variable[1])
        if path == _ANSWER:
            return words("turn.the_answer")
        return path

    def named(self, path: str, marked: Marked) -> Named:
        """A text with its name."""
        return Named(self.of(path), pieces(marked))


def _with_problems(witness: Witness) -> Iterator[tuple[Sent, str | None]]:
    """Each time that a model was asked, and why it failed where it did."""
    attempts = () if witness.closing is None else witness.closing.attempts
    for number, sent in enumerate(witness.sent):
        yield sent, attempts[number].problem if number < len(attempts) else None


def _call(
    visit: Visit, names: _Names, sent: Sent, problem: str | None, said: Sequence[Passed]
) -> Call:
    by_path = {each.path: each.after for each in said}
    system = [_text(each) for each in sent.conversation.messages if each.origin is Origin.PERSONA]
    return Call(
        sent,
        visit.behind.places.get(sent.backend, sent.backend),
        problem,
        "\n\n".join(system),
        tuple(
            Named(names.of(part.path), pieces(by_path.get(part.path, Marked(part.text))), each.role)
            for each in sent.conversation.messages
            if each.origin is not Origin.PERSONA
            for part in each.parts
            if isinstance(part, TextPart)
        ),
        tuple(_sampling(sent.conversation.sampling)),
    )


def _text(message: Message) -> str:
    return "".join(part.text for part in message.parts if isinstance(part, TextPart))


def _sampling(sampling: Sampling) -> Iterator[tuple[str, str]]:
    for name in ("temperature", "top_p", "top_k", "max_tokens", "seed", "reasoning", "stop"):
        value = getattr(sampling, name)
        if value not in (None, ()):
            yield name, str(getattr(value, "wish", value))


def _behaviours(witness: Witness, catalog: Catalog) -> Iterator[Kept]:
    if witness.closing is None or witness.ask is None:
        return
    persona = witness.ask.served.persona
    at = {each.id: number for number, each in enumerate(persona.behaviours)}
    for each in witness.closing.behaviours:
        if each.conduct is not Conduct.NOT_DRAWN:
            number = at.get(each.behaviour)
            written = Origins(catalog).persona(persona.id, f"behaviours[{number}]")
            yield Kept(each, written.source)


def _cost(visit: Visit, usage: Usage | None, attempts: Sequence[tuple[str, str]]) -> float | None:
    prices: Mapping[tuple[str, str], object] = visit.behind.prices
    if usage is None or not attempts or attempts[-1] not in prices:
        return None
    return visit.behind.prices[attempts[-1]].cost(usage)
