"""Shadows: the same guarded input, an answer for nobody, and a record of its own."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx2
import pytest
from typing_extensions import override

from app.domain.conversation import (
    Conversation,
    ImagePart,
    Inline,
    Message,
    Origin,
    PersonaWishes,
    Role,
    TextPart,
)
from app.domain.errors import BackendError, BackendProblem
from app.domain.events import Finish, FinishReason, StreamEvent, TextDelta, Usage
from app.domain.record import Assigned, Status
from app.main import SystemClock, load_project
from app.pipeline.answer import Closed, ExchangeEvent
from app.pipeline.exchange import Exchange
from app.pipeline.shadows import Beside as Waits
from app.pipeline.shadows import Bounds, Shadows
from tests.pipeline.exchanging import Kitchen, PlayedBackend, conversation, kitchen
from tests.pipeline.serving import serving
from tests.servers.openai_server import openai_server, text_answer

_PERSONA = """
extends: lexi
name: Shown
policy: keeping
variants:
  - {id: quiet, shadow: true, percent: 100, set: {name: Quiet}}
"""


@dataclass
class Beside(PlayedBackend):
    """Answers shadows apart from what is shown, when it is told to."""

    instead: tuple[StreamEvent | Exception, ...] | None = None
    """What a shadow gets; none gets what is shown."""
    waits: asyncio.Event | None = None
    asked: list[Conversation] = field(default_factory=list)

    @override
    async def stream(
        self, conversation: Conversation, model: str
    ) -> AsyncGenerator[StreamEvent, None]:
        if "You are Quiet" not in prompt_of(conversation):
            async for event in super().stream(conversation, model):
                yield event
            return
        self.asked.append(conversation)
        if self.waits is not None:
            await self.waits.wait()
        for each in self.instead or self.events:
            if isinstance(each, Exception):
                raise each
            yield each


def prompt_of(asked: Conversation) -> str:
    """The system prompt, as the model gets it."""
    (part,) = asked.messages[0].parts
    assert isinstance(part, TextPart)
    return part.text


class Noted(Shadows):
    """Notes what waits, as it would stand in the memory of the process."""

    waiting: str = ""

    @override
    def offer(self, beside: Waits) -> None:
        self.waiting += repr(beside.run)
        super().offer(beside)


@dataclass
class Room:
    """Exchanges with shadows beside them."""

    kitchen: Kitchen
    backend: Beside
    shadows: Noted
    stop: asyncio.Event

    async def ask(self, asked: Conversation) -> list[ExchangeEvent]:
        """Everything that one exchange gives."""
        at = self.kitchen
        shadows = at.loaded.shadows[asked.persona]
        steps = replace(at.steps, shadows=self.shadows)
        ask = replace(at.ask(asked), shadows=shadows)
        return [event async for event in Exchange(steps, ask).run()]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what shadows do."""
        async with asyncio.timeout(20):
            while not holds():  # noqa: ASYNC110  # what is waited for wakes nobody
                await asyncio.sleep(0.01)

    def counted(self, what: str) -> float:
        """A number of the metrics: of all lines that match."""
        lines = self.kitchen.steps.metrics.render().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if re.match(what, line))


@asynccontextmanager
async def room(root: Path, backend: Beside, bounds: Bounds | None = None) -> AsyncIterator[Room]:
    """Set it up; at the end all shadows are stopped."""
    (root / "personas/shown.yaml").write_text(_PERSONA, "utf-8")
    stop = asyncio.Event()
    async with kitchen(root, backend) as at, asyncio.TaskGroup() as group:
        shadows = Noted(bounds or Bounds(), at.steps.metrics, SystemClock())
        group.create_task(shadows.work(stop))
        yield Room(at, backend, shadows, stop)
        stop.set()


ASKED = conversation(
    "Write to ann@corp.example",
    persona="shown",
    wishes=PersonaWishes(session="s1", consent="yes"),
)


async def test_a_shadow_answers_the_same_guarded_input_for_nobody(root: Path) -> None:
    """It would see what policy hides, be shown or billed, or be taken for what users got."""
    backend = Beside(instead=(TextDelta("darn"), Usage(30, 40), Finish(FinishReason.STOP)))
    async with room(root, backend) as at:
        events = await at.ask(replace(ASKED, keeps_turns=True))
        assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "One. Two."
        assert isinstance(events[-1], Closed)
        await at.until(lambda: at.counted("banneton_shadows_total") == 1)
        shown_to_model = backend.calls[0].messages[1:]
        assert backend.asked[0].messages[1:] == shown_to_model
        (part,) = shown_to_model[0].parts
        assert isinstance(part, TextPart)
        assert "ann@" not in part.text
        assert "EMAIL_ADDRESS_" in part.text
        assert "EMAIL_ADDRESS_" in at.shadows.waiting
        assert "ann@" not in at.shadows.waiting
        shadow, shown = await at.kitchen.records()
        assert (shadow.opening["variant"], shadow.opening["assigned"]) == ("quiet", "shadow")
        assert shadow.opening["shadow_of"] == shown.request_id
        assert shown.opening["shadow_of"] is None
        for key in ("subject", "session", "consent", "policy", "audience", "decisions", "trace"):
            assert shadow.opening[key] == shown.opening[key]
        assert shadow.opening["prompt"] != shown.opening["prompt"]
        assert (shadow.status, shadow.outcome) == (Status.COMPLETED, "mask")
        kept = await at.kitchen.ledger.content(shadow.request_id)
        assert [each.text for each in kept][-1] == "[removed]"
        assert await at.kitchen.ledger.turns(shown.request_id) is not None
        assert await at.kitchen.ledger.turns(shadow.request_id) is None
        # What users asked for and what it cost is counted without it.
        assert at.counted("banneton_requests_total") == 1
        assert at.counted("gen_ai_client_token_usage_sum") == 5
        assert at.counted("banneton_shadow_tokens_total") == 70


async def test_a_shadow_that_fails_touches_nobody(root: Path) -> None:
    """A user would wait for a model, or get an error, that is none of theirs."""
    failing = BackendError(BackendProblem.FAILED, "the provider failed")
    async with room(root, Beside(instead=(TextDelta("Half"), failing))) as at:
        for _ in range(2):
            events = await at.ask(ASKED)
            assert isinstance(events[-1], Closed)
            assert events[-1].summary.status is Status.COMPLETED
        await at.until(lambda: at.counted("banneton_shadows_total") == 2)
        statuses = [each.status for each in await at.kitchen.records()]
        assert statuses.count(Status.FAILED) == statuses.count(Status.COMPLETED) == 2
        assert at.counted("banneton_backend_errors_total") == 0


async def test_what_has_no_room_is_dropped_and_counted_and_what_runs_ends(root: Path) -> None:
    """A slow variant would fill the memory, vanish in silence, or leave a record open for ever."""
    backend = Beside(waits=asyncio.Event())
    async with room(root, backend, Bounds(at_once=1, waiting=2)) as at:
        await at.ask(ASKED)
        await at.until(lambda: len(backend.asked) == 1)
        for _ in range(4):
            await at.ask(ASKED)
        assert at.counted('banneton_shadows_dropped_total.*reason="full"') == 2
        at.stop.set()
        await at.until(lambda: at.counted('banneton_shadows_dropped_total.*"stopped"') == 2)
        await at.ask(ASKED)
        assert at.counted('banneton_shadows_dropped_total.*"stopped"') == 3
        assert backend.waits is not None
        backend.waits.set()
        await at.until(lambda: at.counted("banneton_shadows_total") == 1)
        records = await at.kitchen.records()
        assert sum(each.opening["assigned"] == Assigned.SHADOW for each in records) == 1
        assert {each.status for each in records} == {Status.COMPLETED}


async def test_a_shadow_that_does_not_end_is_cut_off_with_its_record(root: Path) -> None:
    """The process could not stop, or the record stay open."""
    backend = Beside(waits=asyncio.Event())
    async with room(root, backend, Bounds(grace_s=0.1)) as at:
        await at.ask(ASKED)
        await at.until(lambda: len(backend.asked) == 1)
        at.stop.set()
        await at.until(lambda: at.counted("banneton_shadows_total") == 1)
        (shadow,) = [each for each in await at.kitchen.records() if each.opening["shadow_of"]]
        assert shadow.status is Status.CANCELLED


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (conversation("ask-banned", persona="shown"), None),
        (
            Conversation(
                "shown",
                (
                    Message(
                        Role.USER,
                        Origin.CLIENT,
                        (
                            TextPart("What is it?", "messages[0].content[0].text"),
                            ImagePart(
                                Inline("image/png", "iVBORw0KGgo="),
                                "messages[0].content[1].image_url.url",
                            ),
                        ),
                    ),
                ),
            ),
            "media",
        ),
    ],
    ids=["blocked", "picture"],
)
async def test_what_has_no_shadow(root: Path, asked: Conversation, reason: str | None) -> None:
    """What policy has stopped would go to a model after all, or pictures fill the memory."""
    backend = Beside()
    async with room(root, backend) as at:
        await at.ask(asked)
        await at.ask(ASKED)
        await at.until(lambda: at.counted("banneton_shadows_total") == 1)
        assert len(backend.asked) == 1
        dropped = at.counted("banneton_shadows_dropped_total")
        assert dropped == (0 if reason is None else 1)
        if reason is not None:
            assert at.counted(f'banneton_shadows_dropped_total.*"{reason}"') == 1


@pytest.mark.parametrize("fails", [False, True])
async def test_shadows_stop_at_their_own_budget(root: Path, *, fails: bool) -> None:
    """A variant that is only tried would cost without bound, most of all where it fails."""
    backend = Beside()
    if fails:
        backend.instead = (Usage(3, 2), BackendError(BackendProblem.FAILED, "it failed"))
    async with room(root, backend, Bounds(at_once=1, tokens_per_hour=5)) as at:
        for _ in range(3):
            await at.ask(ASKED)
        await at.until(lambda: at.counted('banneton_shadows_dropped_total.*"budget"') == 2)
        assert at.counted("banneton_shadows_total") == 1


async def test_an_answer_with_a_shadow_is_the_same_byte_for_byte(root: Path) -> None:
    """A client could tell that somebody tries something, or break on it."""
    answers: list[list[tuple[int, dict[str, str], bytes]]] = []
    for has_shadow in (False, True):
        text = _PERSONA if has_shadow else _PERSONA.replace("percent: 100", "percent: 0")
        (root / "personas/shown.yaml").write_text(text, "utf-8")
        async with openai_server() as provider:
            banneton = root / "banneton.yaml"
            there = re.sub(
                r'"http://127.0.0.1:\d+/v1"(, api_key: "[^"]*")?',
                f'"{provider.base_url}"',
                banneton.read_text("utf-8"),
            )
            banneton.write_text(there, "utf-8")
            provider.answer = lambda _: text_answer("1. Take the green form. Then wait.")
            async with serving(load_project(root, reads_secrets=False)) as http:
                answers.append([plain(await post(http, is_stream=each)) for each in (True, False)])
                if has_shadow:
                    async with asyncio.timeout(20):
                        while len(provider.requests) < 4:  # noqa: ASYNC110  # it wakes nobody
                            await asyncio.sleep(0.02)
    without, beside = answers
    assert [status for status, _, _ in without] == [200, 200]
    assert beside == without
    assert "x-banneton-variant" not in beside[0][1]


async def post(http: httpx2.AsyncClient, *, is_stream: bool) -> httpx2.Response:
    """One answer."""
    said = [{"role": "user", "content": "Which form?"}]
    body = {"model": "shown", "messages": said, "stream": is_stream}
    return await http.post("/v1/chat/completions", json=body)


_OWN = (rb"[0-9a-f]{32}", rb"sha256:[0-9a-f]{64}", rb'"created":\d+')
"""What is another for every request or every catalog: ids, digests, times."""


def plain(answer: httpx2.Response) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body, without what is another every time."""
    body = answer.content
    for pattern in _OWN:
        body = re.sub(pattern, b"*", body)
    headers = {
        name: re.sub(r"[0-9a-f]{32,}", "*", value)
        for name, value in answer.headers.items()
        if name not in {"date", "server"}
    }
    return answer.status_code, headers, body
