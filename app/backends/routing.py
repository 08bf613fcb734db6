"""From a route to an answer: which models are asked, in which order, and how often.

Breakers, hedging and queues would stand between ``Way.stream`` and ``_begin``; there are none.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

import tenacity

from app.domain.catalog import Feature, Route, Target
from app.domain.clock import Clock
from app.domain.conversation import Conversation, FilePart, ImagePart
from app.domain.errors import BackendError, BackendProblem, RequestError
from app.domain.events import StreamEvent
from app.domain.protocols import Backend
from app.domain.record import Attempt
from app.domain.wanted import TEXT_ANSWER, Embeddings

_MOMENTARY = frozenset(
    {
        BackendProblem.CONNECT,
        BackendProblem.FAILED,
        BackendProblem.RATE_LIMITED,
        BackendProblem.TIMEOUT,
    }
)
"""What may go better when the same model is asked again."""
_OF_FEW = frozenset({Feature.CHOICES, Feature.LOGPROBS})
"""What few protocols know; a target of another is passed over."""
_BESIDE_TURNS = frozenset({Feature.EMBEDDINGS, Feature.PICTURES})
"""What no backend gives that does not say so."""
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 8.0
"""A provider that wants to be left alone for longer is not asked again."""


@dataclass(frozen=True, slots=True)
class Asker:
    """What conditions of routes look at, besides the request itself."""

    persona: str
    audience: str
    draw: float
    """In [0, 100): which of several targets, by weight; the same for a whole session."""


def targets_for(
    route: Route,
    asker: Asker,
    conversation: Conversation,
    context_tokens: int,
    backends: Mapping[str, Backend],
) -> tuple[Target, ...]:
    """The models to ask, in order.

    Args:
        route: Leads to them.
        asker: For whom.
        conversation: The request.
        context_tokens: How long it is, by our estimate.
        backends: By id; what their protocols lack, their models lack.

    Raises:
        RequestError: None takes this request; says why.
    """
    needs = needed(conversation)
    mine = [each for each in route.all_targets if each.when.takes(asker.persona, asker.audience)]
    able = [each for each in mine if not _lacking(each, backends) & needs]
    fits = [each for each in able if context_tokens <= (each.when.max_context_tokens or 2**63)]
    if not fits:
        lacking = needs & frozenset().union(*(_lacking(each, backends) for each in mine))
        raise _no_target(mine, able, lacking, conversation.said_in)
    shared = [each for each in route.targets if each in fits]
    first = [_drawn(shared, asker.draw)] if shared else []
    rest = [each for each in route.fallbacks if each in fits and each not in first]
    return (*first, *rest)


def needed(conversation: Conversation) -> frozenset[Feature]:
    """What a model has to be able to do to take this request."""
    parts = [part for message in conversation.messages for part in message.parts]
    wanted = conversation.response_format
    needs = {
        Feature.TOOLS: bool(conversation.tools),
        Feature.IMAGES: any(isinstance(part, ImagePart) for part in parts),
        Feature.FILES: any(isinstance(part, FilePart) for part in parts),
        Feature.JSON_SCHEMA: wanted is not None and wanted.schema is not None,
        Feature.REASONING: bool(conversation.sampling.reasoning),
        Feature.CHOICES: conversation.sampling.choices > 1,
        Feature.LOGPROBS: conversation.sampling.logprobs,
        Feature.EMBEDDINGS: isinstance(conversation.wanted, Embeddings),
        Feature.PICTURES: conversation.wanted.images_path is not None,
    }
    return frozenset(feature for feature, is_needed in needs.items() if is_needed)


def _lacking(target: Target, backends: Mapping[str, Backend]) -> frozenset[Feature]:
    return target.lacks | (_OF_FEW - backends[target.backend].gives)


def _drawn(targets: Sequence[Target], draw: float) -> Target:
    left = draw / 100 * sum(each.weight for each in targets)
    for each in targets:
        left -= each.weight
        if left < 0:
            return each
    return targets[-1]


def _no_target(
    mine: Sequence[Target], able: Sequence[Target], lacking: Iterable[Feature], where: str
) -> RequestError:
    if not mine:
        what = "no model of this persona's route takes requests of this audience"
        return RequestError(what, code="no_route")
    if not able:
        listed = ", ".join(sorted(lacking))
        what = f"no model of this persona's route can do all that is asked: {listed}"
        return RequestError(what, code="no_route")
    what = f"{where}: longer than any model of this persona's route takes"
    return RequestError(what, param=where, code="context_length_exceeded")


def _refuse_beyond(backend: Backend, conversation: Conversation) -> None:
    """Refuse what a backend's protocol has nothing for, before it is asked.

    Raises:
        RequestError: It gives nothing but words, and another thing is wanted.
    """
    wanted = conversation.wanted
    if wanted is TEXT_ANSWER:
        return
    drawn = frozenset({Feature.PICTURES} if backend.draws else ())
    gives = drawn if wanted.is_turn else backend.gives
    if beyond := (needed(conversation) & _BESIDE_TURNS) - gives:
        where, kinds = wanted.images_path or "model", ", ".join(sorted(beyond))
        what = f"{where}: the protocol of this persona's provider gives no {kinds}"
        raise RequestError(what, param=where, code="no_route")


class Way:
    """One exchange's way to a model. What was asked, and how it went, is in ``attempts``."""

    def __init__(
        self,
        route: Route,
        targets: Sequence[Target],
        backends: Mapping[str, Backend],
        clock: Clock,
    ) -> None:
        """Hold what asking needs.

        Args:
            route: Says how often to retry, and until when.
            targets: In the order in which they are asked; one at least.
            backends: By id.
            clock: Measures attempts.
        """
        self.attempts: list[Attempt] = []
        self._route = route
        self._targets = targets
        self._backends = backends
        self._clock = clock

    async def stream(self, conversation: Conversation) -> AsyncGenerator[StreamEvent, None]:
        """The answer of the first model that begins one.

        Once an event has come, no other model is asked: what is said cannot be taken back.

        Raises:
            BackendError: The last model failed before it began, or the one that began fails.
            RequestError: No model's protocol can carry the request; of the first one that cannot.
        """
        conversation = replace(conversation, provider_may=self._route.provider_may)
        refused: RequestError | None = None
        failed: BackendError | None = None
        until = self._deadline_s()
        for target in self._targets:
            try:
                first, rest = await self._begin(target, conversation, until)
            except RequestError as exc:
                refused = refused or exc
                continue
            except BackendError as exc:
                failed = exc
                continue
            async with aclosing(rest):
                try:
                    yield first
                    async for event in rest:
                        yield event
                except BackendError as exc:
                    self.attempts[-1] = replace(self.attempts[-1], problem=exc.problem.value)
                    raise
            return
        if failed is not None:
            raise failed
        if refused is not None:
            raise refused
        raise RuntimeError("a way without targets")

    def _deadline_s(self) -> float | None:
        if self._route.deadline_ms is None:
            return None
        return asyncio.get_running_loop().time() + self._route.deadline_ms / 1000

    async def _begin(
        self, target: Target, conversation: Conversation, until: float | None
    ) -> tuple[StreamEvent, AsyncGenerator[StreamEvent, None]]:
        """The first event of a target's answer, and the rest; in as many tries as it takes."""
        if not self._route.retries:
            return await self._try(target, conversation, until)
        stop: tenacity.stop.stop_base = tenacity.stop_after_attempt(1 + self._route.retries)
        if until is not None:
            left_s = max(0.0, until - asyncio.get_running_loop().time())
            stop = tenacity.stop_any(stop, tenacity.stop_before_delay(left_s))
        again = tenacity.AsyncRetrying(
            stop=stop,
            wait=_wait_s,
            retry=tenacity.retry_if_exception(_is_momentary),
            reraise=True,
        )
        return await again(self._try, target, conversation, until)

    async def _try(
        self, target: Target, conversation: Conversation, until: float | None
    ) -> tuple[StreamEvent, AsyncGenerator[StreamEvent, None]]:
        began_s = self._clock.monotonic()
        problem: str | None = "cancelled"
        backend = self._backends[target.backend]
        events = backend.stream(conversation, target.model)
        try:
            _refuse_beyond(backend, conversation)
            first = await _first(events, until)
            problem = None
        except BackendError as exc:
            problem = exc.problem.value
            raise
        except RequestError:
            problem = "cannot_carry"
            raise
        finally:
            if problem is not None:
                await events.aclose()
            took_ms = (self._clock.monotonic() - began_s) * 1000
            self.attempts.append(Attempt(target.backend, target.model, took_ms, problem))
        return first, events


async def _first(events: AsyncGenerator[StreamEvent, None], until: float | None) -> StreamEvent:
    try:
        if until is None:
            return await anext(events)
        async with asyncio.timeout_at(until):
            return await anext(events)
    except TimeoutError:
        what = "no first token before the route's deadline"
        raise BackendError(BackendProblem.TIMEOUT, what) from None
    except StopAsyncIteration:
        raise BackendError(BackendProblem.BROKEN, "the provider answered with nothing") from None


_JITTER_S = tenacity.wait_random_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S)
"""Full jitter: anything from nothing to a bound that doubles, so that clients do not come back all
at once."""


def _wait_s(state: tenacity.RetryCallState) -> float:
    """As long as the provider wants, where it says so; jitter on top keeps clients apart."""
    error = None if state.outcome is None else state.outcome.exception()
    wanted_s = error.retry_after_s if isinstance(error, BackendError) else None
    return (wanted_s or 0.0) + _JITTER_S(state)


def _is_momentary(error: BaseException) -> bool:
    return (
        isinstance(error, BackendError)
        and error.problem in _MOMENTARY
        and (error.retry_after_s or 0.0) <= _LONGEST_WAIT_S
    )
