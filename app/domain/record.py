"""What is kept of an exchange: an opening entry and a closing entry, chained per writer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.domain.conduct import Measured
from app.domain.conversation import Message
from app.domain.decision import Decision, Outcome, Trace
from app.domain.events import Usage
from app.domain.policy import MediaKind

CONSOLE = "console"
"""The dialect of what somebody tried out in the console. It counts in no product metric, since no
user met it."""


class Status(StrEnum):
    """How an exchange ended."""

    COMPLETED = "completed"
    """The client got its answer, or the block reply."""
    FAILED = "failed"
    """The backend or the gateway failed."""
    CANCELLED = "cancelled"
    """The client went away."""
    CUT_OFF = "cut_off"
    """The process ended in mid-exchange; closed at the next start."""


class Assigned(StrEnum):
    """How it came that this variant of the persona answers, or none."""

    ALONE = "alone"
    """The persona shares its sessions with no variant."""
    DRAWN = "drawn"
    """By the session's draw; also where that fell to the persona as it is."""
    NAMED = "named"
    """The request named the variant."""
    CONTINUED = "continued"
    """It goes on from an exchange in which the same one answered."""
    SHADOW = "shadow"
    """It ran beside another exchange; nobody was shown its answer."""


@dataclass(frozen=True, slots=True)
class MediaSeen:
    """Pictures or files of one type in a request. Nobody looked inside."""

    kind: MediaKind
    type: str | None
    """The media type; none where they are linked, and the provider fetches them."""
    count: int
    bytes: int
    """Of all of them; 0 where they are linked."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Commits before the model is called; also where the input is blocked."""

    request_id: str
    at: datetime
    tenant: str
    key_id: str
    """Which key asked; empty where the gateway runs without keys."""
    subject: str | None
    """As the client names them. The ledger keeps an HMAC under a key that erasure destroys."""
    session: str | None
    """As the client names it; stored as the subject is."""
    consent: str | None
    dialect: str
    """Which wire format, such as ``openai_chat``."""
    persona: str
    variant: str | None
    audience: str
    policy: str
    catalog: str
    """The catalog's digest."""
    prompt: str
    """The composed system prompt's digest; empty where what was asked for takes none."""
    route: str
    backend: str
    """Of the model that is to be asked first; the closing entry says which were asked."""
    model: str
    is_stream: bool
    trace: Trace
    """Of the stages before the model."""
    decisions: tuple[Decision, ...]
    outcome: Outcome
    content: tuple[tuple[str, str], ...] = ()
    """Path and text as passed on, after rewrites. The ledger keeps an HMAC of each, and the
    text itself only where ``keeps_content``."""
    keeps_content: bool = False
    content_days: int = 30
    """How long kept content stays; as ``Keep`` says it."""
    findings_days: int = 400
    """How long both traces of the exchange stay; as ``Keep`` says it."""
    continues: str | None = None
    """The exchange that this one goes on from."""
    media: tuple[MediaSeen, ...] = ()
    """What of the request no detector could look at."""
    assigned: Assigned = Assigned.ALONE
    shadow_of: str | None = None
    """The exchange that this one is a shadow of: the same guarded input, and an answer for nobody.
    None where it was shown."""
    turns: tuple[Message, ...] = ()
    """As passed on, for those that go on from this one. Texts that ``content`` has at their paths
    are left out. Kept as content is, and where there is none of it not at all."""
    is_left_open: bool = False
    """Whether others may go on from these turns."""
    surrogates: Mapping[str, str] = field(default_factory=dict)
    """Invented values that may stand in the content, each with the kind of value it stands for.
    Kept as content is, so that whoever reads it can tell them from real ones."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that a model was asked."""

    backend: str
    model: str
    took_ms: float
    """Until its first event, or until it failed before that."""
    problem: str | None = None
    """Why it failed, such as ``timeout``, also in mid-answer; ``cannot_carry`` where its protocol
    lacks what the request needs; none where it did not fail."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Durations in milliseconds from the moment the request was read."""

    input_ms: float = 0.0
    """Until the input decision."""
    first_token_ms: float | None = None
    """Until the backend's first event; none where it was not called or gave none."""
    total_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Held:
    """How far guarding kept an answer from leaving as it came."""

    most_chars: int
    """The most code points of one choice that had come from the model and had not left."""
    longest_ms: float
    """The longest that any of them waited before it left. What never left did not wait."""


@dataclass(frozen=True, slots=True)
class Closing:
    """Commits before the terminal event leaves."""

    request_id: str
    at: datetime
    status: Status
    outcome: Outcome
    """Over the whole exchange, the input included."""
    trace: Trace = ()
    """Of the stages after the model. What was said of an attempt that was made again stands first,
    with paths such as ``attempts[0].choices[0].text``."""
    decisions: tuple[Decision, ...] = ()
    finish: str | None = None
    error: str | None = None
    """The kind of failure, such as ``timeout``; never its text."""
    usage: Usage | None = None
    """Of all attempts together."""
    attempts: tuple[Attempt, ...] = ()
    """Every time that a model was asked, in order; the last one gave the answer, if any did."""
    detector_usage: Usage | None = None
    """What models counted for answering detectors, over the whole exchange."""
    behaviours: tuple[Measured, ...] = ()
    """What became of each behaviour that is measured in this scenario, attempt by attempt."""
    timings: Timings = field(default_factory=Timings)
    held: Held | None = None
    """None where no answer came to guard, or the process ended in mid-exchange."""
    content: tuple[tuple[str, str], ...] = ()
    """Channel and text as released, before pseudonyms were restored."""
    turns: tuple[Message, ...] = ()
    """The answer as a turn, kept as those of the opening are."""
