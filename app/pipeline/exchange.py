"""The order of the steps: guard in, compose, record, backend, guard out, record."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace

from app.domain.clock import Clock, NewId
from app.domain.conversation import Conversation, Json, Message, Origin, Role, Segment, TextPart
from app.domain.decision import Decision, Outcome, Trace, severest
from app.domain.errors import BackendError, BannetonError
from app.domain.events import Finish, FinishReason, StreamEvent, Usage
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
    """What an exchange needs of the rest; one object for the whole process."""

    backends: Mapping[str, Backend]
    ledger: Ledger
    vault: PseudonymVault
    metrics: Metrics
    clock: Clock
    new_id: NewId
    pseudonym_key: bytes


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, with everything about it that is decided before anything is looked at."""

    conversation: Conversation
    served: Served
    catalog: str
    caller: Caller
    audience: str
    dialect: str
    request_id: str
