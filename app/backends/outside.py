"""What detectors ask outside through: models by way of routes, and the endpoints of the file."""

import base64
import hashlib
import hmac
import math
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import aiohttp
import orjson
from typing_extensions import override

from app.backends.routing import Asker, Way, targets_for
from app.domain.catalog import Route
from app.domain.clock import Clock, NewId
from app.domain.conversation import (
    Conversation,
    JsonFormat,
    Message,
    Origin,
    Role,
    Sampling,
    TextPart,
)
from app.domain.errors import DetectorError
from app.domain.events import (
    Finish,
    FinishReason,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    Usage,
)
from app.domain.protocols import AnswerT, Backend, Outside, Question
from app.domain.tokens import estimate_tokens

MAX_REPLY_BYTES = 2**20
"""Of an endpoint's answer."""
KEPT_S = 3600
"""For how long an answer is remembered: what stands behind a name may be exchanged."""
_OK = 200
_ASKER = Asker(persona="", audience="", draw=0)
"""Detectors ask for no persona and no audience; of several models always the first."""


class Answers:
    """Remembers what models and services answered, so that the same is not asked again.

    Bounded; the least recently used is forgotten. What was asked is not held: the key is an HMAC.
    """

    def __init__(self, key: bytes, capacity: int = 4096) -> None:
        self._key = key
        self._capacity = capacity
        self._answers: OrderedDict[bytes, tuple[float, str]] = OrderedDict()

    def place(self, *asked: object) -> bytes:
        """Under which an answer is kept: equal for equal JSON values."""
        told = orjson.dumps(asked, default=dict, option=orjson.OPT_SORT_KEYS)
        return hmac.digest(self._key, told, hashlib.sha256)

    def get(self, place: bytes, now_s: float) -> str | None:
        """What was answered, if it is still known and not too old."""
        at_s, answer = self._answers.get(place, (-math.inf, ""))
        if now_s - at_s > KEPT_S:
            return None
        self._answers.move_to_end(place)
        return answer

    def put(self, place: bytes, answer: str, now_s: float) -> None:
        """Remember."""
        self._answers[place] = now_s, answer
        if len(self._answers) > self._capacity:
            self._answers.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that detectors may post to. Its secrets are not shown by ``repr``."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    signing_key: bytes | None = field(default=None, repr=False)
    """Where there is one, every request is signed as Standard Webhooks has it."""

    @property
    def is_remembered(self) -> bool:
        """Whether what it said of a text holds for the text: of services, not of webhooks."""
        return self.signing_key is None


@dataclass(frozen=True, slots=True)
class Reach:
    """All that can be asked outside; one for the whole process."""

    backends: Mapping[str, Backend]
    endpoints: Mapping[str, Endpoint]
    session: aiohttp.ClientSession
    """Should keep no cookies."""
    answers: Answers
    clock: Clock
    new_id: NewId

    def asking(self, tenant: str, routes: Mapping[str, Route]) -> Outside:
        """For one exchange."""
        return _Asking(self, tenant, routes)


class _Asking(Outside):
    def __init__(self, reach: Reach, tenant: str, routes: Mapping[str, Route]) -> None:
        self._reach = reach
        self._tenant = tenant
        self._routes = routes
        self._usage: Usage | None = None

    @property
    @override
    def usage(self) -> Usage | None:
        return self._usage

    @override
    async def complete(
        self, route: str, question: Question, read: Callable[[str], AnswerT]
    ) -> AnswerT:
        way = self._routes.get(route)
        backends = self._reach.backends
        if way is None or any(each.backend not in backends for each in way.all_targets):
            raise DetectorError(f"there is no route '{route}' that was started")
        models = [[each.backend, each.model] for each in way.all_targets]
        told = (question.turns, question.schema, question.max_tokens)
        place = self._reach.answers.place(self._tenant, "route", models, *told)

        async def ask() -> str:
            asked = _conversation(question)
            tokens = estimate_tokens("\n".join(text for _, text in question.turns))
            targets = targets_for(way, _ASKER, asked, tokens, backends)
            return await self._said(Way(way, targets, backends, self._reach.clock).stream(asked))

        return await self._once(place, ask, read)

    async def _once(
        self, place: bytes, ask: Callable[[], Awaitable[str]], read: Callable[[str], AnswerT]
    ) -> AnswerT:
        """What is remembered, or else what is answered now."""
        answers, clock = self._reach.answers, self._reach.clock
        known = answers.get(place, clock.monotonic())
        if known is not None:
            return read(known)
        said = await ask()
        answer = read(said)
        answers.put(place, said, clock.monotonic())
        return answer

    async def _said(self, events: AsyncGenerator[StreamEvent, None]) -> str:
        """The text of an answer that is nothing but text and came to its end."""
        texts: list[str] = []
        finish: FinishReason | None = None
        async with aclosing(events) as stream:
            async for event in stream:
                match event:
                    case TextDelta(text, 0):
                        texts.append(text)
                    case Usage():
                        self._usage = event if self._usage is None else self._usage + event
                    case Finish(reason, 0):
                        finish = reason
                    case ReasoningDelta():
                        pass
                    case _:
                        raise DetectorError("the model did not answer with text")
        if finish is not FinishReason.STOP:
            raise DetectorError("the model's answer did not come to its end")
        return "".join(texts)

    @override
    async def post(self, endpoint: str, body: bytes, read: Callable[[str], AnswerT]) -> AnswerT:
        there = self._reach.endpoints.get(endpoint)
        if there is None:
            raise DetectorError(f"there is no endpoint '{endpoint}'")
        if not there.is_remembered:
            return read(await self._posted(there, body))
        digest = hashlib.sha256(body).hexdigest()
        place = self._reach.answers.place(self._tenant, "endpoint", endpoint, digest)
        return await self._once(place, lambda: self._posted(there, body), read)

    async def _posted(self, there: Endpoint, body: bytes) -> str:
        headers = {"content-type": "application/json", "accept": "application/json"}
        headers.update(there.headers)
        if there.signing_key is not None:
            at = int(self._reach.clock.now().timestamp())
            headers.update(signature(there.signing_key, self._reach.new_id(), at, body))
        try:
            async with self._reach.session.post(
                there.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                answer = await _reply(response)
        except (aiohttp.ClientError, ConnectionError, ValueError):
            # `from None`: what aiohttp raises can show headers and what the endpoint said.
            raise DetectorError("the endpoint cannot be reached or does not speak HTTP") from None
        try:
            return answer.decode()
        except UnicodeDecodeError:
            raise DetectorError("the endpoint answered with something that is not JSON") from None


def signature(key: bytes, message_id: str, at: int, body: bytes) -> dict[str, str]:
    """The headers that prove who sent a body, and when: HMAC-SHA256 over id, time and body.

    Args:
        key: Shared with the receiver.
        message_id: Different for every request, so that a receiver can refuse a second one.
        at: Seconds since 1970. Receivers refuse what is older than a few minutes.
        body: As it is sent.

    Source: Standard Webhooks, https://www.standardwebhooks.com (symmetric signatures, ``v1``).
    """
    signed = f"{message_id}.{at}.".encode() + body
    mac = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{mac}",
    }


async def _reply(response: aiohttp.ClientResponse) -> bytes:
    if response.status != _OK:
        raise DetectorError(f"the endpoint answered with HTTP {response.status}")
    if response.content_type != "application/json":
        raise DetectorError("the endpoint answered with something that is not JSON")
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_REPLY_BYTES:
            raise DetectorError(f"the endpoint's answer is longer than {MAX_REPLY_BYTES} bytes")
    return bytes(body)


def _conversation(question: Question) -> Conversation:
    """As backends take it. Nothing is sampled: the same question should get the same answer."""
    return Conversation(
        persona="",
        messages=tuple(
            Message(role, Origin.PERSONA if role is Role.SYSTEM else Origin.CLIENT, (part,))
            for role, text in question.turns
            for part in (TextPart(text),)
        ),
        response_format=None
        if question.schema is None
        else JsonFormat(question.schema, name="answer", is_strict=True),
        sampling=Sampling(
            temperature=0.0, max_tokens=question.max_tokens, yields=frozenset({"temperature"})
        ),
    )
