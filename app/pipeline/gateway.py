"""What ``api`` calls: one object that holds the parts, and the requests it understands."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from app.domain.conversation import Conversation, Json, Message, Part, Segment
from app.domain.decision import Applied, Outcome, UncheckedRun
from app.domain.events import FinishReason, Usage
from app.domain.feedback import Feedback
from app.domain.finding import Finding
from app.domain.persona import Persona
from app.domain.prompt import SystemPrompt
from app.domain.protocols import Caller
from app.ledger.appeals import AppealState
from app.pipeline.answer import ExchangeEvent
from app.pipeline.appeals import AppealRequest
from app.pipeline.feedback import FeedbackRequest
from app.pipeline.witness import Trial


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """Run a policy on text without a model. Exactly one of ``policy`` and ``persona`` is set."""

    segments: tuple[Segment, ...]
    policy: str | None = None
    persona: str | None = None
    audience: str | None = None
    system: str | None = None
    """The system prompt that an output is checked against for disclosure."""
    variant: str | None = None
    """Of the persona."""
    asks_anyway: bool = False
    """Ask detectors outside also where what was found here stops the text already."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What the policy says."""

    outcome: Outcome
    texts: Mapping[str, str]
    """By path: what would be passed on. Empty where the outcome stops it."""
    scores: Mapping[str, float]
    """The highest score of each detector of the policy, also where nothing follows from it."""
    findings: tuple[Finding, ...]
    applied: tuple[Applied, ...]
    unchecked: tuple[UncheckedRun, ...]
    policy: str
    audience: str
    catalog: str
    latency_ms: float


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """Compose a system prompt without a model."""

    persona: str
    variant: str | None = None
    scenario: str | None = None
    variables: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests can be served: ``ready``, ``degraded`` or ``unready``."""

    state: str
    catalog: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """What was kept of an answer. Texts have their pseudonyms."""

    request_id: str
    persona: str
    at: datetime
    """When it was asked for."""
    finish: FinishReason
    asked: tuple[Message, ...]
    """The turns that it answers, those that it goes on from among them."""
    parts: tuple[Part, ...]
    usage: Usage | None
    continues: str | None
    """The exchange that it goes on from."""


class Gateway(Protocol):
    """What the wire formats need. ``app.pipeline.exchange.Pipeline`` is the one that there is."""

    async def authenticate(self, authorization: str | None, claims: str | None = None) -> Caller:
        """Who asks, and what is signed about whom it is for; raises ``AccessError``."""
        ...

    def personas(self, caller: Caller) -> Sequence[Persona]:
        """The personas that this key may use, ordered by id."""
        ...

    def persona(self, persona_id: str, caller: Caller) -> Persona:
        """One persona; raises ``RequestError`` (``model_not_found``) or ``AccessError``."""
        ...

    def exchange(
        self, conversation: Conversation, caller: Caller, *, trial: Trial | None = None
    ) -> AsyncGenerator[ExchangeEvent, None]:
        """Run one exchange; a trial is watched, and goes on from no other.

        Raises:
            RequestError, AccessError: Before ``Opened``.
            BackendError, LedgerError: At any time; the record is closed as failed where it can be.
        """
        ...

    async def count(self, conversation: Conversation, caller: Caller) -> int:
        """About how many tokens the model would read; calls none and leaves no record."""
        ...

    async def answered(self, request_id: str, caller: Caller) -> Answered | None:
        """The answer of an exchange, where it was kept for this key."""
        ...

    async def delete_answered(self, request_id: str, caller: Caller) -> bool:
        """Destroy what was kept of an exchange, but for its record; false where nothing was."""
        ...

    async def check(self, request: CheckRequest, caller: Caller) -> CheckResult:
        """Run a policy on text without a model."""
        ...

    async def render(self, request: RenderRequest, caller: Caller) -> SystemPrompt:
        """The composed system prompt with its provenance."""
        ...

    async def records(self, query: Mapping[str, str], caller: Caller) -> Json:
        """A page of records as JSON: ``{"records": [...], "next": cursor or null}``."""
        ...

    async def record(self, request_id: str, caller: Caller) -> Json | None:
        """One record as JSON, if there is one that this key may read."""
        ...

    async def report(self, query: Mapping[str, str], caller: Caller) -> Json:
        """Product metrics of live traffic as JSON."""
        ...

    async def appeal(self, appeal: AppealRequest, caller: Caller) -> AppealState:
        """Keep an appeal; raises ``RequestError`` or ``AccessError``."""
        ...

    async def feedback(self, request: FeedbackRequest, caller: Caller) -> Feedback:
        """Keep what somebody says, once; raises ``RequestError`` or ``AccessError``."""
        ...

    def readiness(self) -> Readiness:
        """Whether requests can be served."""
        ...

    def metrics(self) -> bytes:
        """Prometheus text."""
        ...
