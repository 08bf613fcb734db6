"""Marks on a text: which piece something was done about, by which rule, at which score, and why."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise

from app.domain.catalog import Source
from app.domain.policy import Action, Stage


class Did(StrEnum):
    """What a mark says of a piece of text."""

    NOTICED = "noticed"
    """A rule that only observes would have done something."""
    FLAGGED = "flagged"
    STEERED = "steered"
    RETRIED = "retried"
    ADDED = "added"
    """A rule or a behaviour put it at the end of the answer."""
    RESTORED = "restored"
    """The model saw a pseudonym; the user gets the value."""
    PSEUDONYMIZED = "pseudonymized"
    MASKED = "masked"
    WITHHELD = "withheld"
    """The model wrote it, and it was not shown."""
    ESCALATED = "escalated"
    BLOCKED = "blocked"


SEVERITY = {each: rank for rank, each in enumerate(Did)}
_DID = {
    Action.FLAG: Did.FLAGGED,
    Action.STEER: Did.STEERED,
    Action.RETRY: Did.RETRIED,
    Action.PSEUDONYMIZE: Did.PSEUDONYMIZED,
    Action.MASK: Did.MASKED,
    Action.ESCALATE: Did.ESCALATED,
    Action.BLOCK: Did.BLOCKED,
}


@dataclass(frozen=True, slots=True)
class Note:
    """What one rule did about one thing that a detector saw, and the line that says so."""

    rule: str
    action: Action
    stage: Stage
    detector: str
    path: str
    """Of the text. Of an earlier attempt at the answer it begins with ``attempts[0].``."""
    source: Source
    """The line of the policy that says what to do at this score."""
    category: str = ""
    score: float | None = None
    """None where the detector did not run."""
    threshold: float | None = None
    """From which score on the rule does this."""
    start: int = 0
    end: int = 0
    explanation: str = ""
    """Why the detector thinks so, or why it did not run."""
    is_observed: bool = False
    """The rule only observes: nothing was done."""

    @property
    def did(self) -> Did:
        """What the mark of its place says."""
        return Did.NOTICED if self.is_observed else _DID[self.action]


@dataclass(frozen=True, slots=True)
class Mark:
    """A piece of text that something was done about."""

    start: int
    end: int
    did: Did
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Marked:
    """A text with its marks, in order and without overlaps."""

    text: str = field(repr=False)
    marks: tuple[Mark, ...] = ()


def mark_of(note: Note, length: int) -> Mark:
    """The place that a note is about; all of the text where it does not say."""
    start, end = note.start, min(note.end, length)
    start, end = (start, end) if start < end else (0, length)
    return Mark(start, end, note.did, (note,))


def marked(text: str, marks: Iterable[Mark]) -> Marked:
    """The text with marks that do not overlap: where they did, the severest names the place."""
    inside_ = [
        replace(mark, end=min(mark.end, len(text))) for mark in marks if mark.start < len(text)
    ]
    points = sorted({point for mark in inside_ for point in (mark.start, mark.end)})
    made: list[Mark] = []
    for start, end in pairwise(points):
        here = [mark for mark in inside_ if mark.start <= start and end <= mark.end]
        if not here:
            continue
        did = max((mark.did for mark in here), key=SEVERITY.__getitem__)
        notes = tuple(dict.fromkeys(note for mark in here for note in mark.notes))
        if made and made[-1].end == start and (made[-1].did, made[-1].notes) == (did, notes):
            made[-1] = replace(made[-1], end=end)
        else:
            made.append(Mark(start, end, did, notes))
    return Marked(text, tuple(made))
