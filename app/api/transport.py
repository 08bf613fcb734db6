"""Reading requests and sending answers over ASGI, for endpoints that need no framework.

The hot path is plain ASGI: an endpoint that parses its body through a framework's models costs
about twice as much.
"""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qsl

import orjson
from starlette.types import Receive, Scope, Send

from app.api.errors import (
    ErrorBody,
    Failure,
    RawHeaders,
    StoppedError,
    failure,
    openai_error,
)
from app.domain.clock import Clock, NewId
from app.domain.conversation import Json
from app.domain.errors import AccessError, AccessProblem, BannetonError, RequestError
from app.domain.protocols import Caller
from app.guardrails.aside import done
from app.pipeline.gateway import Gateway

_access_log = logging.getLogger("banneton.access")
_log = logging.getLogger("banneton.api")

CLIENT_GONE = 499
_MAX_QUERY_FIELDS = 32
"""The status in the access log where nobody was left to answer."""

CLAIMS = b"x-banneton-claims"
"""The header of signed claims."""
JSON = b"application/json"


class ClientGoneError(Exception):
    """The client closed its connection."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a request is read."""

    max_body_bytes: int = 4 * 1024 * 1024
    body_timeout_s: float = 30.0
    """From the head of the request to the end of its body."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What every endpoint is given."""

    gateway: Gateway
    clock: Clock
    new_id: NewId
    limits: Limits
    version: str


_LONG_BODY = 16_000
"""Bytes of a body that take a moment to go through."""
_MOST_AT_ONCE = 1 << 18
"""Bytes that are handed to the server in one go, which copies what cannot be sent yet."""

T = TypeVar("T")


class Call:
    """One HTTP request and the answer to it."""

    __slots__ = (
        "_body_bytes",
        "_error_body",
        "_receive",
        "_scope",
        "_send",
        "has_started",
        "parts",
        "request_id",
        "status",
    )

    def __init__(  # what ASGI gives, and what every endpoint is given
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        parts: Parts,
        error_body: ErrorBody = openai_error,
    ) -> None:
        self._error_body = error_body
        self._scope = scope
        self._receive = receive
        self._send = send
        self.parts = parts
        self.request_id = ""
        """The exchange's id once there is one; before that, made when an answer needs it."""
        self.status = 0
        self.has_started = False
        self._body_bytes = 0

    @property
    def path_params(self) -> dict[str, str]:
        """What the route's pattern caught."""
        params: dict[str, str] = self._scope["path_params"]
        return params

    @property
    def query(self) -> bytes:
        """The query string as sent."""
        query: bytes = self._scope["query_string"]
        return query

    def query_fields(self) -> dict[str, str]:
        """The query string, by name.

        Raises:
            RequestError: It cannot be read, or says something twice.
        """
        try:
            pairs = parse_qsl(
                self.query.decode(),
                keep_blank_values=True,
                strict_parsing=bool(self.query),
                errors="strict",
                max_num_fields=_MAX_QUERY_FIELDS,
            )
        except ValueError:
            raise RequestError(
                "The query string cannot be read; write it as name=value&name=value.",
                code="invalid_query",
            ) from None
        query = dict(pairs)
        if len(query) != len(pairs):
            raise RequestError(
                "The query string gives a filter twice; give it once.", code="invalid_query"
            )
        return query

    def header(self, name: bytes) -> str | None:
        """A request header; its name in lower case."""
        for key, value in self._scope["headers"]:
            if key == name:
                text: str = value.decode("latin-1")
                return text
        return None

    async def authenticate(self) -> Caller:
        """Who asks, by the header of OpenAI's clients or else by that of Anthropic's."""
        claims = [value for key, value in self._scope["headers"] if key == CLAIMS]
        if len(claims) > 1:
            # Whichever were taken, something in front may have looked at the other one.
            raise AccessError(AccessProblem.CLAIM, "There is more than one claim; send one.")
        authorization, key = self.header(b"authorization"), self.header(b"x-api-key")
        if authorization is None and key is not None:
            authorization = f"Bearer {key}"
        return await self.parts.gateway.authenticate(
            authorization, claims[0].decode("latin-1") if claims else None
        )

    async def json_object(self) -> dict[str, Json]:
        """The body, which must be one JSON object.

        Raises:
            RequestError: It is anything else, too long or too slow.
            ClientGoneError: The client left before the end of it.
        """
        kind = (self.header(b"content-type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            # Also what keeps a foreign web page from posting to a gateway on this machine: for
            # this type, and for no other that carries JSON, a browser asks for leave first.
            what = "Send the header 'content-type: application/json'."
            raise RequestError(what, code="unsupported_media_type")
        try:
            value = orjson.loads(await self.body())
        except orjson.JSONDecodeError as exc:
            # Its message names a line and column and quotes nothing.
            what = f"The body is not JSON in UTF-8: line {exc.lineno}, column {exc.colno}."
            raise RequestError(what, code="invalid_json") from None
        if type(value) is not dict:
            raise RequestError("The body must be a JSON object.", code="invalid_json")
        return value

    async def body(self) -> bytes:
        """The body as it comes.

        Raises:
            RequestError: It is too long or too slow.
            ClientGoneError: The client left before the end of it.
        """
        try:
            async with asyncio.timeout(self.parts.limits.body_timeout_s):
                raw = await self._received()
        except TimeoutError:
            raise RequestError("The body came too slowly; send it again.", code="timeout") from None
        self._body_bytes = len(raw)
        return raw

    async def made(self, work: Callable[[], T]) -> T:
        """What the work makes of the body: beside the event loop, where the body is long."""
        return await done(work, aside=self._body_bytes > _LONG_BODY)

    async def _received(self) -> bytes:
        most = self.parts.limits.max_body_bytes
        declared = self.header(b"content-length") or ""
        if declared.isdecimal() and int(declared) > most:
            raise _too_large(most)
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > most:
                raise _too_large(most)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def until_gone(self) -> None:
        """Wait until the client leaves; only once the body is read.

        Raises:
            ClientGoneError: It has.
        """
        while (await self._receive())["type"] != "http.disconnect":
            pass
        raise ClientGoneError

    async def start(self, status: int, content_type: bytes, headers: RawHeaders) -> None:
        """Send the head of the answer."""
        self.status = status
        self.has_started = True
        if not self.request_id:
            self.request_id = self.parts.new_id()
        request_id = self.request_id.encode()
        head = [
            (b"content-type", content_type),
            (b"x-request-id", request_id),
            (b"request-id", request_id),  # as Anthropic's clients look for it
        ]
        await self._send(
            {"type": "http.response.start", "status": status, "headers": head + headers}
        )

    async def send(self, body: bytes, *, is_last: bool) -> None:
        """Send a piece of the answer's body; a large one as the client reads it."""
        at = 0
        while len(body) - at > _MOST_AT_ONCE:
            piece = body[at : at + _MOST_AT_ONCE]
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            at += _MOST_AT_ONCE
        await self._send(
            {"type": "http.response.body", "body": body[at:], "more_body": not is_last}
        )

    async def answer(
        self,
        body: bytes,
        *,
        status: int = 200,
        content_type: bytes = JSON,
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        """Send a whole answer."""
        sized = [(b"content-length", str(len(body)).encode()), *headers]
        await self.start(status, content_type, sized)
        await self.send(body, is_last=True)

    async def fail(self, exc: Exception) -> None:
        """Answer with an error; an answer that has begun is cut off by the server instead."""
        failed = self.failed(exc)
        if not self.has_started:
            await self.refuse(failed)

    async def refuse(self, failed: Failure, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Answer with a failure, as the dialect writes it."""
        body = self._error_body(failed, self.request_id)
        await self.answer(body, status=failed.status, headers=[*failed.headers(), *headers])

    def failed(self, exc: Exception) -> Failure:
        """What the caller gets for this error.

        An error that nobody raised on purpose is logged: where it happened, not what it says,
        since its message may quote what a user wrote.
        """
        if not self.request_id:
            self.request_id = self.parts.new_id()
        if not isinstance(exc, (BannetonError, StoppedError)):
            where = "".join(traceback.format_tb(exc.__traceback__))
            _log.error("%s in request %s\n%s", type(exc).__name__, self.request_id, where)
        return failure(exc, self.request_id)


def _too_large(most: int) -> RequestError:
    return RequestError(f"The body is longer than {most} bytes; send less.", code="too_large")


Handle = Callable[[Call], Awaitable[None]]


class Endpoint:
    """An ASGI app for one route: any error becomes a JSON error, any request one log line."""

    def __init__(
        self, route: str, handle: Handle, parts: Parts, error_body: ErrorBody = openai_error
    ) -> None:
        """Make one.

        Args:
            route: For the log, which never has the path itself: a path may hold a user's text.
            handle: Answers the call.
            parts: For the call.
            error_body: Writes errors as the route's dialect does.
        """
        self._error_body = error_body
        self._route = route
        self._handle = handle
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        call = Call(scope, receive, send, self._parts, self._error_body)
        began = self._parts.clock.monotonic()
        try:
            await self._handle(call)
        except ClientGoneError:
            call.status = CLIENT_GONE
        except Exception as exc:  # noqa: BLE001  # the edge: whatever it is, the caller gets an error object
            await call.fail(exc)
        finally:
            if _access_log.isEnabledFor(logging.INFO):
                took_ms = (self._parts.clock.monotonic() - began) * 1000
                _access_log.info(
                    "%s %d %.1f ms %s", self._route, call.status, took_ms, call.request_id
                )
