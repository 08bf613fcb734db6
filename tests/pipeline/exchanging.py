"""The steps of an exchange with a real ledger and catalog, and a backend that a test writes."""

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from app.domain.catalog import Feature
from app.domain.conversation import Conversation, Message, Origin, PersonaWishes, Role, TextPart
from app.domain.events import Finish, FinishReason, StreamEvent, TextDelta, Usage
from app.domain.protocols import Backend, Caller
from app.guardrails.evaluate import History
from app.ledger.ledger import Ledger
from app.ledger.pseudonyms import Vault
from app.ledger.records import Record, RecordFilter
from app.main import SystemClock, load_project, new_id, open_ledger
from app.outgoing import open_reach
from app.pipeline.exchange import Exchange
from app.pipeline.loaded import Loaded
from app.pipeline.steps import Ask, Steps
from app.telemetry.metrics import Metrics

CALLER = Caller("acme", "key-1", None, None)


def conversation(
    text: str, *, persona: str = "lexi", wishes: PersonaWishes | None = None, times: int = 1
) -> Conversation:
    """A request with one message, or with the same one several times."""
    said = tuple(
        Message(Role.USER, Origin.CLIENT, (TextPart(text, f"messages[{at}].content"),))
        for at in range(times)
    )
    return Conversation(persona, said, wishes=wishes or PersonaWishes())


@dataclass
class PlayedBackend(Backend):
    """Gives these events; an exception among them is raised where it stands."""

    gives = frozenset({Feature.EMBEDDINGS, Feature.PICTURES})
    draws = True
    events: tuple[StreamEvent | Exception, ...] = (
        TextDelta("One. "),
        TextDelta("Two."),
        Usage(3, 2),
        Finish(FinishReason.STOP),
    )
    calls: list[Conversation] = field(default_factory=list)
    ended: int = 0
    """How many answers were ended, in whatever way."""

    @override
    async def stream(
        self, conversation: Conversation, model: str
    ) -> AsyncGenerator[StreamEvent, None]:
        self.calls.append(conversation)
        try:
            for event in self.events:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.ended += 1

    @override
    async def close(self) -> None:
        return None


@dataclass
class Kitchen:
    """All that exchanges need."""

    steps: Steps
    loaded: Loaded
    ledger: Ledger
    backend: PlayedBackend
    backends: dict[str, Backend]
    """By id; a test may change them."""

    def exchange(self, asked: Conversation) -> Exchange:
        """An exchange that has not begun."""
        return Exchange(self.steps, self.ask(asked))

    def ask(self, asked: Conversation) -> Ask:
        """A request, with what is decided about it before anything is looked at."""
        served = self.loaded.find(asked.persona, asked.variant)
        return Ask(
            conversation=asked,
            served=served,
            catalog=self.loaded.catalog.digest,
            caller=CALLER,
            audience=asked.wishes.audience or served.plan.policy.default_audience,
            routes=self.loaded.routes,
            request_id=new_id(),
        )

    async def records(self) -> tuple[Record, ...]:
        """All records, newest first."""
        return (await self.ledger.records(RecordFilter("acme", limit=1000))).records


@asynccontextmanager
async def kitchen(
    root: Path,
    backend: PlayedBackend,
    *,
    ledger_as: Callable[[Ledger], object] = lambda ledger: ledger,
) -> AsyncIterator[Kitchen]:
    """Set everything up for a project; ``ledger_as`` may put something before the ledger."""
    project = load_project(root, reads_secrets=False)
    loaded = project.load()
    ledger = await open_ledger(project)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(ledger.stop)
        backends: dict[str, Backend] = {
            target.backend: backend
            for one in loaded.served.values()
            for route in one.routes
            for target in route.all_targets
        }
        reach = await open_reach(project.settings, backends, SystemClock(), new_id, stack)
        steps = Steps(
            backends=backends,
            ledger=ledger_as(ledger),  # type: ignore[arg-type]  # a ledger, or a fake one
            vault=Vault(ledger.store),
            metrics=Metrics(),
            clock=SystemClock(),
            new_id=new_id,
            outside=reach.asking,
            pseudonym_key=ledger.store.keyring.pseudonym_key,
            history=History(secrets.token_bytes(32)),
            max_messages=3,
            max_text_chars=1000,
        )
        yield Kitchen(steps, loaded, ledger, backend, backends)
