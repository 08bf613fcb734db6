"""What an exchange gives: the model's events as guarded, between an opening and a close."""

from dataclasses import dataclass, field

from app.domain.conduct import Measured
from app.domain.decision import Applied, Decision, Outcome, Trace, UncheckedRun
from app.domain.events import StreamEvent
from app.domain.finding import Finding
from app.domain.record import Status


@dataclass(frozen=True, slots=True)
class Opened:
    """Comes first, once: what is known when headers leave."""

    request_id: str
    persona: str
    variant: str | None
    catalog: str
    input: Outcome
    """What was decided about what the client sent."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Policy stopped a choice. Comes at most once for each; its ``Finish`` and ``Closed`` follow.

    A client that streams keeps what it has of the choice and then gets the reply; a client that
    does not gets the reply alone.
    """

    outcome: Outcome
    """``block``, ``escalate``, or ``unchecked`` where an outage decided."""
    reply: str
    """In the persona's voice, in the language of the user where the persona has it."""
    is_error: bool
    """The persona wants the dialect's error object instead of the reply, and of all choices."""
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """What the answer says about itself under the ``banneton`` key."""

    request_id: str
    persona: str
    variant: str | None
    catalog: str
    outcome: Outcome
    status: Status
    applied: tuple[Applied, ...] = ()
    """``Applied.findings`` are indexes into ``findings`` here."""
    findings: tuple[Finding, ...] = ()
    unchecked: tuple[UncheckedRun, ...] = ()
    behaviours: tuple[Measured, ...] = ()


@dataclass(frozen=True, slots=True)
class Closed:
    """Comes last, once, after the closing entry has committed: the terminal event may leave."""

    summary: Summary


ExchangeEvent = Opened | StreamEvent | Stopped | Closed


@dataclass(slots=True)
class Findings:
    """Flattens stages into one list of findings, with the indexes of what was applied moved."""

    applied: list[Applied] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    unchecked: list[UncheckedRun] = field(default_factory=list)

    def add(self, trace: Trace, decisions: tuple[Decision, ...]) -> None:
        """Add stages; every decision belongs to the trace at the same place."""
        for stage, decision in zip(trace, decisions, strict=True):
            offset = len(self.findings)
            self.findings.extend(stage.findings)
            self.unchecked.extend(stage.unchecked)
            self.applied.extend(
                Applied(
                    rule=applied.rule,
                    action=applied.action,
                    findings=tuple(offset + index for index in applied.findings),
                    is_observed=applied.is_observed,
                    is_unchecked=applied.is_unchecked,
                )
                for applied in decision.applied
            )
