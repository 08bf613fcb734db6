"""What a run may cost, and the meter that stops it before it costs more."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass

from typing_extensions import override

from app.backends.recorded import Questions
from app.domain.catalog import Target
from app.domain.conversation import Conversation, FilePart, ImagePart, Inline, ToolCallPart
from app.domain.errors import BackendError, BackendProblem, RequestError
from app.domain.events import StreamEvent, Usage
from app.domain.prices import Prices
from app.domain.protocols import Backend

_UNBOUNDED = 8_192
"""Tokens that an answer is taken to have at most where the request does not bound it."""
_AROUND = 32
"""Tokens that a provider puts around a message or a tool, at most."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What may be spent; none is no limit."""

    usd: float | None = None
    tokens: int | None = None


def refuse_unknown(ceiling: Ceiling, targets: Iterable[Target], prices: Prices) -> None:
    """Refuse a ceiling in money where nobody knows what a model costs.

    Raises:
        RequestError: With those models, and the ceiling that there is.
    """
    if ceiling.usd is None:
        return
    asked = {(each.backend, each.model) for each in targets}
    if unknown := sorted(f"{backend}/{model}" for backend, model in asked - set(prices)):
        what = f"--max-cost: banneton.yaml has no price for {', '.join(unknown)}"
        raise RequestError(f"{what}; add it under 'prices', or give --max-tokens instead")


class Meter:
    """Counts what is spent. What is being asked counts as the most that it can become."""

    def __init__(self, ceiling: Ceiling, prices: Prices) -> None:
        """Begin with nothing spent.

        Args:
            ceiling: What may be spent.
            prices: What models cost; those without a price cost nothing, see ``refuse_unknown``.
        """
        self._ceiling = ceiling
        self._prices = prices
        self._usd = 0.0
        self._tokens = 0
        self._open: Counter[str] = Counter()
        """How many questions are being asked, by who asks."""
        self._settled = asyncio.Event()
        self.is_closed = False
        """Whether a question has been refused: from then on all are."""

    async def admit(self, asker: str, backend: str, model: str, most: Usage) -> bool:
        """Whether a question may be asked; if so, its most is counted as spent.

        Where there would be room if others used less than their most, this waits for them; not
        while the same asker has another question open, which may be waiting for this one.
        """
        while not self.is_closed and not self._has_room(backend, model, most):
            if self._open[asker] or not self._open.total():
                self.is_closed = True
            else:
                await self._settled.wait()
        if self.is_closed:
            self._tell()
            return False
        self._open[asker] += 1
        self._add(backend, model, most, 1)
        return True

    def settle(self, asker: str, backend: str, model: str, spent: tuple[Usage, Usage]) -> None:
        """Count what was used, the second, in place of the most that was expected, the first."""
        most, used = spent
        self._add(backend, model, most, -1)
        self._add(backend, model, used, 1)
        self._open[asker] -= 1
        self._tell()

    def _has_room(self, backend: str, model: str, most: Usage) -> bool:
        usd = self._usd + self._cost(backend, model, most)
        tokens = self._tokens + most.input_tokens + most.output_tokens
        return (self._ceiling.usd is None or usd <= self._ceiling.usd) and (
            self._ceiling.tokens is None or tokens <= self._ceiling.tokens
        )

    def _add(self, backend: str, model: str, usage: Usage, sign: int) -> None:
        self._usd += sign * self._cost(backend, model, usage)
        self._tokens += sign * (usage.input_tokens + usage.output_tokens)

    def _tell(self) -> None:
        self._settled.set()
        self._settled = asyncio.Event()

    def _cost(self, backend: str, model: str, usage: Usage) -> float:
        price = self._prices.get((backend, model))
        return 0.0 if price is None else price.cost(usage)


class MeteredBackend(Backend):
    """Asks the backend behind it only while the run's ceiling is not reached."""

    def __init__(self, meter: Meter, questions: Questions, backend: str, behind: Backend) -> None:
        self._meter = meter
        self._questions = questions
        self._backend = backend
        self._behind = behind
        self.gives = behind.gives

    @override
    async def stream(
        self, conversation: Conversation, model: str
    ) -> AsyncGenerator[StreamEvent, None]:
        """The answer of the backend behind."""
        most = most_of(conversation)
        asker = f"{self._questions.suite}/{self._questions.case}#{self._questions.repeat}"
        if not await self._meter.admit(asker, self._backend, model, most):
            self._questions.is_over_ceiling = True
            raise BackendError(BackendProblem.REJECTED, "the run may not cost more")
        used, has_begun, is_whole = Usage(0, 0), False, False
        try:
            async with aclosing(self._behind.stream(conversation, model)) as stream:
                async for event in stream:
                    has_begun = True
                    if isinstance(event, Usage):
                        used, is_whole = event, True
                    yield event
        finally:
            # What nobody counted counts as the most; what never began is not billed.
            counted = used if is_whole or not has_begun else most
            self._meter.settle(asker, self._backend, model, (most, counted))

    @override
    async def close(self) -> None:
        """Nothing: whoever started the backend behind closes it."""


def most_of(asked: Conversation) -> Usage:
    """The most tokens that a request can become.

    No tokenizer of today makes more tokens of a text than it has bytes. Pictures and files that
    stand in the request count by their bytes, too, which is far too much.
    """
    texts = sum(_bytes(part) for message in asked.messages for part in message.parts)
    tools = sum(len(repr(tool).encode()) for tool in asked.tools)
    shape = 0 if asked.response_format is None else len(repr(asked.response_format).encode())
    around = _AROUND * (1 + len(asked.messages) + len(asked.tools))
    answer = asked.sampling.max_tokens or _UNBOUNDED
    return Usage(texts + tools + shape + around, answer * asked.sampling.choices)


def _bytes(part: object) -> int:
    match part:
        case ToolCallPart():
            return len(part.name.encode()) + len(part.arguments.encode())
        case ImagePart(source=Inline(data=data)) | FilePart(source=Inline(data=data)):
            return len(data)
        case ImagePart() | FilePart():
            return 0
        case _:
            return len(str(getattr(part, "text", "")).encode())
