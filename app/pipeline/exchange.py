"""The order of the steps: compose, guard in, record, backend, guard out, record."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from app.domain.clock import Clock, NewId
from app.domain.conversation import (
    Conversation,
    Message,
    Origin,
    Role,
    Segment,
    TextPart,
)
from app.domain.decision import Decision, Outcome, Trace, severest
from app.domain.errors import BackendError, BannetonError
from app.domain.events import Finish, FinishReason, TextDelta, Usage
from app.domain.policy import KeepContent, Stage
from app.domain.prompt import SystemPrompt
from app.domain.protocols import Backend, Caller, Ledger, PseudonymScope, PseudonymVault
from app.domain.record import Closing, Opening, Status, Timings
from app.guardrails.evaluate import Inspection, inspect_segments
from app.guardrails.pseudonyms import Minter
from app.guardrails.release import OutputGuard
from app.pipeline.answer import Closed, ExchangeEvent, Findings, Opened, Stopped, Summary
from app.pipeline.loaded import Served
from app.pipeline.replies import reply_to
from app.pipeline.sampling import bounded
from app.pipeline.segments import segments, with_texts
from app.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Steps:
    """The parts that an exchange needs; one object for the whole process."""

    backends: Mapping[str, Backend]
    ledger: Ledger
    vault: PseudonymVault
    metrics: Metrics
    clock: Clock
    new_id: NewId
    pseudonym_key: bytes


@dataclass(slots=True)
class Exchange:
    """One exchange on its way. Made by ``run``, which is the only way through."""

    steps: Steps
    served: Served
    catalog: str
    caller: Caller
    audience: str
    dialect: str
    conversation: Conversation
    request_id: str
    started_s: float
    timings: Timings = field(default_factory=Timings)
    usage: Usage | None = None
    finish: FinishReason | None = None
    findings: Findings = field(default_factory=Findings)
    outcome: Outcome = Outcome.ALLOW

    def elapsed_ms(self) -> float:
        """Milliseconds since the request was read."""
        return (self.steps.clock.monotonic() - self.started_s) * 1000
