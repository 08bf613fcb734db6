"""A pipeline whose exchanges can be watched, with a backend that says what a test writes."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.access.admission import Admission
from app.access.keys import Authenticator
from app.domain.catalog import Route
from app.domain.conversation import Conversation, Message, Origin, PersonaWishes, Role, TextPart
from app.domain.events import Finish, FinishReason, StreamEvent, TextDelta, Usage
from app.domain.protocols import PseudonymScope
from app.domain.record import Closing, Opening
from app.guardrails.pseudonyms import Minter
from app.ledger.keys import KeyStore
from app.pipeline.answer import ExchangeEvent
from app.pipeline.gateway import Readiness
from app.pipeline.loaded import Loaded
from app.pipeline.numbers import Numbers
from app.pipeline.service import Pipeline
from app.pipeline.witness import Trial, Witness
from tests.pipeline.exchanging import CALLER, Kitchen, PlayedBackend, kitchen


def turns(*texts: str, persona: str = "lexi", session: str | None = None) -> Conversation:
    """A conversation: the user begins, and both speak in turn."""
    said = tuple(
        Message(
            Role.ASSISTANT if at % 2 else Role.USER,
            Origin.CLIENT,
            (TextPart(text, f"messages[{at}].content"),),
            path=f"messages[{at}]",
        )
        for at, text in enumerate(texts)
    )
    return Conversation(persona, said, is_stream=True, wishes=PersonaWishes(session=session))


def says(*pieces: str) -> tuple[StreamEvent, ...]:
    """What a model says, piece by piece."""
    return (*map(TextDelta, pieces), Usage(3, 2), Finish(FinishReason.STOP))


@dataclass
class ToldLedger:
    """Keeps what a ledger is told, and nothing on disk."""

    openings: list[Opening] = field(default_factory=list)
    closings: list[Closing] = field(default_factory=list)

    async def open(self, opening: Opening) -> None:
        """Keep it."""
        self.openings.append(opening)

    async def close(self, closing: Closing) -> None:
        """Keep it."""
        self.closings.append(closing)


class Watching:
    """A pipeline on a loop of its own, so that properties can call it."""

    def __init__(
        self, runner: asyncio.Runner, at: Kitchen, pipeline: Pipeline, ledger: ToldLedger
    ) -> None:
        self.runner = runner
        self.at = at
        self.pipeline = pipeline
        self.ledger = ledger

    def plainly(self, asked: Conversation, events: Sequence[StreamEvent]) -> list[ExchangeEvent]:
        """What a client gets that nobody watches."""
        self.at.backend.events = tuple(events)
        return self.runner.run(_all(self.pipeline, asked, None))

    def watched(
        self,
        asked: Conversation,
        events: Sequence[StreamEvent | Exception],
        *,
        loaded: Loaded | None = None,
        route: Route | None = None,
    ) -> tuple[list[ExchangeEvent], Witness]:
        """What a client gets that is watched, and who watched."""
        self.at.backend.events = tuple(events)
        witness = Witness(self.at.steps.clock)
        trial = Trial(witness, loaded, route)
        return self.runner.run(_all(self.pipeline, asked, trial)), witness

    def pseudonym(self, value: str, session: str) -> str:
        """Of a value in a session."""
        scope = PseudonymScope(CALLER.tenant, CALLER.key_id, session)
        return Minter(self.at.steps.pseudonym_key, scope).mint("EMAIL_ADDRESS", value)


async def _all(pipeline: Pipeline, asked: Conversation, trial: Trial | None) -> list[ExchangeEvent]:
    return [event async for event in pipeline.exchange(asked, CALLER, trial=trial)]


@contextmanager
def watching(root: Path) -> Iterator[Watching]:
    """Set it up for a project."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        told = ToldLedger()
        keeping = kitchen(root, PlayedBackend(), ledger_as=lambda _: told)
        at = runner.run(stack.enter_async_context(keeping))
        at.steps = replace(at.steps, max_messages=9)
        admission = Admission(
            Authenticator(KeyStore(at.ledger.store), at.steps.clock),
            None,
            is_open_without_keys=True,
        )
        clock, metrics = at.steps.clock, at.steps.metrics
        pipeline = Pipeline(
            at.steps,
            loaded=lambda: at.loaded,
            readiness=lambda: Readiness("ready", at.loaded.catalog.digest),
            ledger=at.ledger,
            admission=admission,
            numbers=Numbers(metrics, at.ledger, {}, clock, is_shown=True),
        )
        try:
            yield Watching(runner, at, pipeline, told)
        finally:
            runner.run(stack.aclose())
