"""Being shown what happens inside one exchange, for the one who asked for it.

A witness stands between an exchange and what the exchange talks to: the backends, what detectors
ask outside, the client. It changes nothing there. An exchange that nobody watches has none, and
runs the same lines without it. A witness holds texts as the user wrote them and as the model did,
so it is never logged, kept or shown to anybody else, and it ends with the answer.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from typing_extensions import override

from app.domain.catalog import Route
from app.domain.clock import Clock
from app.domain.conversation import Conversation
from app.domain.events import StreamEvent, Usage
from app.domain.protocols import AnswerT, Backend, Original, Outside, Question
from app.domain.record import Closing, Opening
from app.guardrails.evaluate import Inspection
from app.guardrails.release import OutputGuard
from app.pipeline.answer import ExchangeEvent
from app.pipeline.loaded import Loaded
from app.pipeline.ready import Ready
from app.pipeline.steps import Ask, Steps


@dataclass(frozen=True, slots=True)
class Came:
    """An event of a model."""

    at_ms: float
    event: StreamEvent


@dataclass(slots=True)
class Sent:
    """One time that a model was asked: what it got, and what it gave."""

    backend: str
    model: str
    at_ms: float
    attempt: int
    """At the answer, from 0: behaviours may want another one."""
    conversation: Conversation = field(repr=False)
    """As the backend got it: what it writes in its provider's protocol is made of this alone."""
    came: list[Came] = field(default_factory=list, repr=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a detector outside was asked.

    It may have been answered from memory: ``Outside`` keeps what was answered within the hour.
    """

    to: str
    """A route's id, or an endpoint's."""
    at_ms: float
    texts: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Left:
    """What the client was given."""

    at_ms: float
    event: ExchangeEvent


class Witness:
    """What happened inside one exchange, in the order in which it happened.

    Times are milliseconds from when the exchange began.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin."""
        self.ask: Ask | None = None
        """The request; none where it was refused before it became one."""
        self.inspection: Inspection | None = None
        """What was found in them and done about it; none where the request was refused."""
        self.originals: Mapping[str, Original] = {}
        """What each pseudonym stands for that the answer may hold."""
        self.sent: list[Sent] = []
        self.asked: list[Asked] = []
        self.guards: list[OutputGuard] = []
        """One for each attempt at the answer. They know what was released of each text, and how it
        was changed."""
        self.left: list[Left] = []
        self.opening: Opening | None = None
        """As it was recorded."""
        self.closing: Closing | None = None
        """As it was recorded."""
        self._clock = clock
        self._began_s = clock.monotonic()

    def now_ms(self) -> float:
        """How long it has been watched."""
        return (self._clock.monotonic() - self._began_s) * 1000

    def between(self, steps: Steps, ask: Ask) -> Steps:
        """The same steps, but that what goes out and comes in is seen."""
        self.ask = ask

        def outside(tenant: str, routes: Mapping[str, Route]) -> Outside:
            return _SeenOutside(steps.outside(tenant, routes), self)

        backends = {name: _SeenBackend(name, each, self) for name, each in steps.backends.items()}
        return replace(steps, backends=backends, outside=outside)

    def looked(self, ready: Ready, opening: Opening) -> None:
        """Policy has looked at the request; a model is asked next, unless policy stopped it."""
        self.inspection = ready.inspection
        self.originals = ready.minter.known
        self.opening = opening


@dataclass(frozen=True, slots=True)
class Trial:
    """How an exchange that somebody tries out differs from any other: it is watched.

    All else is as ever: it is decided by the same lines, and leaves its one record. Nothing runs
    beside it, since versions are compared by what users meet. It goes on from no other.
    """

    witness: Witness
    loaded: Loaded | None = None
    """Another revision of the files; none is what is served."""
    route: Route | None = None
    """Another way to a model than the persona's."""


class _SeenBackend(Backend):
    """A backend whose calls are seen. Nothing stands between this and what the provider gets."""

    def __init__(self, name: str, backend: Backend, witness: Witness) -> None:
        self.gives = backend.gives
        self.draws = backend.draws
        self._name = name
        self._backend = backend
        self._witness = witness

    @override
    async def stream(
        self, conversation: Conversation, model: str
    ) -> AsyncGenerator[StreamEvent, None]:
        witness = self._witness
        attempt = max(len(witness.guards) - 1, 0)
        sent = Sent(self._name, model, witness.now_ms(), attempt, conversation)
        witness.sent.append(sent)
        async with aclosing(self._backend.stream(conversation, model)) as events:
            async for event in events:
                sent.came.append(Came(witness.now_ms(), event))
                yield event

    @override
    async def close(self) -> None:
        await self._backend.close()


class _SeenOutside(Outside):
    """What detectors ask outside through, seen."""

    def __init__(self, outside: Outside, witness: Witness) -> None:
        self._outside = outside
        self._witness = witness

    @property
    @override
    def usage(self) -> Usage | None:
        return self._outside.usage

    @override
    async def complete(
        self, route: str, question: Question, read: Callable[[str], AnswerT]
    ) -> AnswerT:
        texts = tuple(text for _, text in question.turns)
        self._witness.asked.append(Asked(route, self._witness.now_ms(), texts))
        return await self._outside.complete(route, question, read)

    @override
    async def post(self, endpoint: str, body: bytes, read: Callable[[str], AnswerT]) -> AnswerT:
        text = body.decode("utf-8", "replace")
        self._witness.asked.append(Asked(endpoint, self._witness.now_ms(), (text,)))
        return await self._outside.post(endpoint, body, read)
