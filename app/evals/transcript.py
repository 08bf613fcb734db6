"""A conversation as it happened: what a case said, and what came back, turn by turn."""

from dataclasses import dataclass, field

from app.domain.conduct import Measured
from app.domain.decision import Applied, Outcome
from app.domain.events import Usage
from app.domain.finding import Finding
from app.domain.record import Timings


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the client got, as the client got it."""

    call_id: str
    name: str
    arguments: str = field(repr=False)
    """JSON, as the model wrote it and policy let it out."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the client gave back for a call."""

    call_id: str
    name: str
    text: str = field(repr=False)
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user said, and the answer with all that led to it.

    A turn in which tools were called is several exchanges; it holds what happened in all of them.
    """

    user: str = field(repr=False)
    answer: str = field(repr=False)
    """The text that the client got, the block reply among it; empty where none came."""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_results: tuple[ToolResult, ...] = ()
    outcome: Outcome = Outcome.ALLOW
    """The severest over the turn's exchanges."""
    applied: tuple[Applied, ...] = ()
    """At all stages, in order."""
    findings: tuple[Finding, ...] = ()
    """At all stages, in order."""
    behaviours: tuple[Measured, ...] = ()
    """Of the answer that left; none where the persona measures none."""
    usage: Usage | None = None
    """Of all exchanges; none where the provider did not count."""
    timings: Timings | None = None
    """Until the first token of the first exchange, and until the end of the last one."""
    cost: float | None = None
    """In USD; none where the model has no price."""
    request_id: str = ""
    """Of the last exchange."""
    error: str | None = None
    """The kind of failure, such as ``timeout``, where no answer came; never its text."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """All turns of one conversation."""

    turns: tuple[Turn, ...]
    system: str = field(default="", repr=False)
    """The composed system prompt, for detectors that compare answers with it."""
