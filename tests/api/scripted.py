"""A gateway that says what a test tells it to, and a real server on loopback in front of it."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import uvicorn
from typing_extensions import override

from app.api.asgi import create_api
from app.api.transport import Limits
from app.domain.clock import Clock
from app.domain.conversation import Conversation, Json
from app.domain.decision import Applied, Outcome, UncheckedRun
from app.domain.errors import AccessError, AccessProblem, RequestError
from app.domain.events import Finish, FinishReason, TextDelta, Usage
from app.domain.feedback import Feedback
from app.domain.finding import Finding
from app.domain.persona import Identity, Persona, Scenario, Variable, Variant
from app.domain.policy import Action
from app.domain.prompt import LineSource, SystemPrompt
from app.domain.protocols import Caller
from app.domain.record import Status
from app.ledger.appeals import AppealState
from app.pipeline.answer import Closed, ExchangeEvent, Opened, Stopped, Summary
from app.pipeline.appeals import AppealRequest
from app.pipeline.feedback import FeedbackRequest
from app.pipeline.gateway import (
    Answered,
    CheckRequest,
    CheckResult,
    Gateway,
    Readiness,
    RenderRequest,
)
from app.pipeline.witness import Trial

CATALOG = "sha256:" + "0" * 64


class FixedClock(Clock):
    """Noon, for ever."""

    @override
    def now(self) -> datetime:
        return datetime(2026, 11, 22, 12, tzinfo=UTC)

    @override
    def monotonic(self) -> float:
        return 0.0


def persona(persona_id: str = "tutor", **changes: object) -> Persona:
    """A persona with this id."""
    plain = Persona(
        id=persona_id,
        name="Tess",
        owner="learning",
        description="Explains.",
        prompt="assistant",
        policy="baseline",
        route="balanced",
        identity=Identity(role="tutor"),
        scenarios={"exam": Scenario()},
        variables={"name": Variable()},
        variants=(Variant(id="warmer", percent=10),),
    )
    return plain.model_copy(update=changes)


PERSONAS = {
    "tutor": persona(),
    "layered": persona("layered", system_messages="below"),
    "loose": persona("loose", passthrough="allow"),
}


def opened(outcome: Outcome = Outcome.ALLOW, persona_id: str = "tutor") -> Opened:
    """The first event of an exchange."""
    return Opened("req_1", persona_id, None, CATALOG, outcome)


def closed(outcome: Outcome = Outcome.ALLOW, status: Status = Status.COMPLETED) -> Closed:
    """The last event of an exchange."""
    applied: tuple[Applied, ...] = ()
    findings: tuple[Finding, ...] = ()
    if outcome is not Outcome.ALLOW:
        action = Action.BLOCK if outcome is Outcome.UNCHECKED else Action(outcome)
        applied = (
            Applied("jailbreak", action, (0,)),
            Applied("trial", action, (), is_observed=True, is_unchecked=True),
        )
        findings = (Finding("injection", "jailbreak", 0.97, "messages[0].content", 0, 4, "1"),)
    unchecked = (UncheckedRun("judge", "", "messages[0].content", "timed out"),)
    summary = Summary(
        "req_1", "tutor", None, CATALOG, outcome, status, applied, findings, unchecked
    )
    return Closed(summary)


def plain_script() -> list["Step"]:
    """An ordinary answer."""
    return [
        opened(),
        TextDelta("Hel"),
        TextDelta("lo, “you”\n"),
        Usage(10, 3, cached_tokens=2, cache_write_tokens=1),
        Finish(FinishReason.STOP),
        closed(),
    ]


def stopped_script(outcome: Outcome, *before: "Step", is_error: bool = False) -> list["Step"]:
    """An answer that policy stops after these events."""
    return [
        opened(outcome),
        *before,
        Stopped(outcome, "I'd rather not.", is_error=is_error),
        Finish(FinishReason.CONTENT_FILTER),
        closed(outcome),
    ]


@dataclass(frozen=True)
class Pause:
    """Let the event loop run before the next step."""

    seconds: float = 0.0


Step = ExchangeEvent | Exception | Pause


def _event(step: ExchangeEvent | Exception) -> ExchangeEvent:
    if isinstance(step, Exception):
        raise step
    return step


@dataclass
class ScriptedGateway(Gateway):
    """Plays ``script`` at each exchange; errors in it are raised where they stand."""

    script: list[Step] = field(default_factory=plain_script)
    personas_by_id: Mapping[str, Persona] = field(default_factory=lambda: PERSONAS)
    auth: Callable[[str | None], Caller] | None = None
    state: str = "ready"
    check_outcome: Outcome = Outcome.ALLOW
    has_outage: bool = True
    """Whether a check says that a detector was out."""
    kept: dict[str, Answered] = field(default_factory=dict)
    surprise: Exception | None = None
    """Raised by everything but exchanges."""
    seen: list[Conversation] = field(default_factory=list)
    counted: list[Conversation] = field(default_factory=list)
    checked: list[CheckRequest] = field(default_factory=list)
    rendered: list[RenderRequest] = field(default_factory=list)
    queries: list[Mapping[str, str]] = field(default_factory=list)
    claims: list[str | None] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when an exchange's generator has ended, in whatever way."""
    ended_by: str = ""

    def _surprise(self) -> None:
        if self.surprise is not None:
            raise self.surprise

    @override
    async def authenticate(self, authorization: str | None, claims: str | None = None) -> Caller:
        self.claims.append(claims)
        if self.auth is not None:
            return self.auth(authorization)
        return Caller("acme", "key_1", None, None, may_read_records=True)

    @override
    def personas(self, caller: Caller) -> Sequence[Persona]:
        self._surprise()
        return [self.personas_by_id[key] for key in sorted(self.personas_by_id)]

    @override
    def persona(self, persona_id: str, caller: Caller) -> Persona:
        self._surprise()
        if persona_id == "secret":
            raise AccessError(AccessProblem.FORBIDDEN, "This key may not use this persona.")
        try:
            return self.personas_by_id[persona_id]
        except KeyError:
            what = "There is no such persona."
            raise RequestError(what, param="model", code="model_not_found") from None

    @override
    async def exchange(
        self, conversation: Conversation, caller: Caller, *, trial: Trial | None = None
    ) -> AsyncGenerator[ExchangeEvent, None]:
        self.seen.append(conversation)
        try:
            for step in self.script:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                else:
                    yield _event(step)
            self.ended_by = "end"
        except BaseException as exc:
            self.ended_by = type(exc).__name__
            raise
        finally:
            self.ended.set()

    @override
    async def count(self, conversation: Conversation, caller: Caller) -> int:
        self._surprise()
        self.counted.append(conversation)
        return 17

    @override
    async def answered(self, request_id: str, caller: Caller) -> Answered | None:
        self._surprise()
        return self.kept.get(request_id)

    @override
    async def delete_answered(self, request_id: str, caller: Caller) -> bool:
        self._surprise()
        return self.kept.pop(request_id, None) is not None

    @override
    async def check(self, request: CheckRequest, caller: Caller) -> CheckResult:
        self._surprise()
        self.checked.append(request)
        closing = closed(self.check_outcome).summary
        texts = {segment.path: segment.text.upper() for segment in request.segments}
        return CheckResult(
            outcome=self.check_outcome,
            texts={} if self.check_outcome is Outcome.BLOCK else texts,
            scores={"injection": 0.97, "harm": 0.01},
            findings=closing.findings,
            applied=closing.applied,
            unchecked=closing.unchecked if self.has_outage else (),
            policy="legal",
            audience="public",
            catalog=CATALOG,
            latency_ms=0.4,
        )

    @override
    async def report(self, query: Mapping[str, str], caller: Caller) -> Json:
        self._surprise()
        return {"metrics": []}

    @override
    async def appeal(self, appeal: AppealRequest, caller: Caller) -> AppealState:
        self._surprise()
        return AppealState.OPEN

    @override
    async def feedback(self, request: FeedbackRequest, caller: Caller) -> Feedback:
        self._surprise()
        at = datetime(2026, 11, 22, 12, tzinfo=UTC)
        about, said = request.about, request.said
        return Feedback(
            "f1", at, "acme", "key", about, "r1", "tutor", None, CATALOG, request.version, said
        )

    @override
    async def render(self, request: RenderRequest, caller: Caller) -> SystemPrompt:
        self._surprise()
        self.rendered.append(request)
        provenance = (
            LineSource("prompts/assistant.md.j2", 1),
            LineSource("personas/tutor.yaml", 7, "identity.role"),
        )
        return SystemPrompt("You are\nTess.", "sha256:1", 5, provenance, "assistant", 8)

    @override
    async def records(self, query: Mapping[str, str], caller: Caller) -> Json:
        self._surprise()
        self.queries.append(query)
        return {"records": [{"request_id": "req_1"}], "next": None}

    @override
    async def record(self, request_id: str, caller: Caller) -> Json | None:
        self._surprise()
        return {"request_id": request_id} if request_id == "req_1" else None

    @override
    def readiness(self) -> Readiness:
        self._surprise()
        problems = () if self.state == "ready" else ("backend local: no answer",)
        return Readiness(self.state, CATALOG, problems)

    @override
    def metrics(self) -> bytes:
        self._surprise()
        return b"# TYPE banneton_exchanges_total counter\n"


@dataclass(frozen=True)
class Served:
    """A server and the gateway behind it."""

    gateway: ScriptedGateway
    url: str
    """Without a slash at the end."""


@contextmanager
def serve(gateway: ScriptedGateway, limits: Limits | None = None) -> Iterator[Served]:
    """Run a real server on loopback in a thread of its own."""
    numbers = count(1)
    app = create_api(
        gateway,
        clock=FixedClock(),
        new_id=lambda: f"new_{next(numbers)}",
        limits=limits or Limits(max_body_bytes=100_000, body_timeout_s=5),
        version="0.0.0",
    )
    config = uvicorn.Config(app, port=0, log_level="error", lifespan="off", loop="uvloop")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the server did not start")
            threading.Event().wait(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Served(gateway, f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join(timeout=10)
