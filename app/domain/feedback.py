"""What people say of an answer or a conversation, and what may be done with it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

COMMENT, CORRECTION, DEMONSTRATION = "comment", "correction.text", "demonstration"
"""Paths of the texts that feedback may hold."""


class Scale(StrEnum):
    """How satisfaction was asked for."""

    THUMB = "thumb"
    """0 for down, 1 for up."""
    STARS = "stars"
    """From 1, the worst, to 5."""


_RANGES = {Scale.THUMB: (0, 1), Scale.STARS: (1, 5)}


@dataclass(frozen=True, slots=True)
class Satisfaction:
    """How content somebody is, as they were asked."""

    scale: Scale
    value: int

    def __post_init__(self) -> None:
        """Refuse a value that the scale does not have."""
        low, high = _RANGES[self.scale]
        if not low <= self.value <= high:
            raise ValueError(f"{self.scale} go from {low} to {high}")

    @property
    def score(self) -> float:
        """The value in [0, 1], 1 being the best."""
        low, high = _RANGES[self.scale]
        return (self.value - low) / (high - low)


class TaskOutcome(StrEnum):
    """What became of what somebody came for."""

    COMPLETED = "completed"
    """They got it."""
    FAILED = "failed"
    """They tried to the end, and did not."""
    ABANDONED = "abandoned"
    """They stopped trying."""
    ESCALATED = "escalated"
    """A person had to take over."""


class Purpose(StrEnum):
    """What a subject may allow to be done with an exchange, beyond answering it."""

    IMPROVE = "improve"
    """To read it, and make cases and evals of it."""
    TRAIN = "train"
    """To train models on it."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What a subject allows. No purposes at all is a consent that was withdrawn."""

    purposes: tuple[Purpose, ...] = ()
    reference: str | None = None
    """Names the words that they agreed to, which are kept elsewhere."""


@dataclass(frozen=True, slots=True)
class Correction:
    """That an answer was wrong and its reader said so."""

    turn: int | None = None
    """Which answer of the session, from 1; none where the feedback is about one request."""
    text: str | None = field(default=None, repr=False)
    """What it should have said."""


@dataclass(frozen=True, slots=True)
class Said:
    """What is said: one thing or several."""

    satisfaction: Satisfaction | None = None
    task: TaskOutcome | None = None
    correction: Correction | None = None
    comment: str | None = field(default=None, repr=False)
    demonstration: str | None = field(default=None, repr=False)
    """A whole answer as it should have been, to learn from."""
    consent: Consent | None = None

    @property
    def texts(self) -> Mapping[str, str]:
        """All texts, by path."""
        correction = self.correction.text if self.correction else None
        found = {CORRECTION: correction, COMMENT: self.comment, DEMONSTRATION: self.demonstration}
        return {path: text for path, text in found.items() if text is not None}


class TargetKind(StrEnum):
    """What feedback may be about."""

    REQUEST = "request"
    SESSION = "session"
    SUBJECT = "subject"
    """All that is about one person; only consent can be."""


@dataclass(frozen=True, slots=True)
class Target:
    """What feedback is about."""

    kind: TargetKind
    name: str = field(repr=False)
    """The request's id; for a session or subject what the client calls it or, once it is kept, the
    HMAC that stands for it in records."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """Something that was said, as the ledger keeps it. It never changes; more may be said later."""

    id: str
    at: datetime
    tenant: str
    key_id: str
    about: Target
    request_id: str
    """The exchange that it is about; of a session or subject the newest one at that time."""
    persona: str
    variant: str | None
    catalog: str
    version: int
    """Of what is said of one target the highest version holds, and of these the newest."""
    said: Said
    """Without the texts that are no longer kept."""
    given: tuple[str, ...] = ()
    """Paths of all texts that were given, also of those."""

    @property
    def order(self) -> tuple[int, datetime, str]:
        """What comes later in this order holds."""
        return self.version, self.at, self.id


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds of all that was said of one target: of each thing, the last that was said."""

    satisfaction: Satisfaction | None = None
    task: TaskOutcome | None = None
    corrections: tuple[Correction, ...] = ()
    """One for each turn, in order of turns."""
    comment: str | None = field(default=None, repr=False)
    demonstration: str | None = field(default=None, repr=False)
    consent: Consent | None = None


def standings(feedback: Iterable[Feedback]) -> dict[Target, Standing]:
    """What holds of each target. The order in which feedback is given here makes no difference."""
    found: dict[Target, dict[str, object]] = {}
    corrections: dict[Target, dict[int, Correction]] = {}
    for each in sorted(feedback, key=lambda each: each.order):
        said = each.said
        parts = found.setdefault(each.about, {})
        for name in ("satisfaction", "task", "consent"):
            if (value := getattr(said, name)) is not None:
                parts[name] = value
        for path in (COMMENT, DEMONSTRATION):
            if path in each.given:
                # What was said before must not come back where this text is no longer kept, or
                # where it is empty, which takes back what was said.
                parts[path] = getattr(said, path) or None
        if said.correction is not None:
            corrections.setdefault(each.about, {})[said.correction.turn or 0] = said.correction
    return {
        about: Standing(
            corrections=tuple(each for _, each in sorted(corrections.get(about, {}).items())),
            **parts,  # type: ignore[arg-type]  # each stands under its own name
        )
        for about, parts in found.items()
    }


def permits(purpose: Purpose, consents: Iterable[Consent | None]) -> bool:
    """Whether an exchange may be used so.

    Args:
        purpose: For what.
        consents: What holds of its request, its session and its subject; none where nothing was
            said. One yes is needed, and any no is a no: a consent may be withdrawn at each level.
    """
    said = [each for each in consents if each is not None]
    return bool(said) and all(purpose in each.purposes for each in said)
