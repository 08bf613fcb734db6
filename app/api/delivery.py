"""From the events of an exchange to the bytes of an answer, whatever the dialect.

One path for streams and single answers: both are a fold over the same events, and differ only in
when the fold gives bytes.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from typing import Protocol

from app.api.errors import Failure, RawHeaders
from app.api.transport import Call, ClientGoneError
from app.guardrails.aside import Pace
from app.pipeline.answer import Closed, ExchangeEvent, Opened

_MAX_WAITING_BYTES = 64 * 1024
"""How much may wait for a client that reads slowly before the model has to wait too."""
_FINDING = 15
"""A finding in an answer takes as long as a look at so many code points of prose."""


class Encoder(Protocol):
    """One dialect's answer, as a stream or whole."""

    content_type: bytes

    def add(self, event: ExchangeEvent) -> bytes:
        """What may leave now that this event has come; nothing, for most of a whole answer.

        Raises:
            StoppedError: At ``Closed``, where the persona wants an error instead of a reply.
        """
        ...

    def error(self, failed: Failure, request_id: str) -> bytes:
        """The error event, for an answer that has begun."""
        ...


async def deliver(call: Call, events: AsyncIterator[ExchangeEvent], encoder: Encoder) -> None:
    """Send an exchange's answer; closes the exchange at once when the client leaves.

    The head of the answer waits for its first byte, so that what goes wrong before has a status of
    its own.

    Raises:
        ClientGoneError: The client left.
    """
    outbox = _Outbox(call, encoder.content_type)
    is_gone = False
    try:
        async with asyncio.TaskGroup() as group:
            watcher = group.create_task(call.until_gone())
            outbox.group = group
            last = await _fold(call, events, encoder, outbox)
            # The server reports a finished answer as a client gone, so stop listening first.
            watcher.cancel()
            await outbox.finish(last)
    except* (ClientGoneError, OSError):
        # Servers differ in how a send to nobody ends.
        is_gone = True
    if is_gone:
        raise ClientGoneError


async def _fold(
    call: Call, events: AsyncIterator[ExchangeEvent], encoder: Encoder, outbox: "_Outbox"
) -> bytes | Failure:
    """The end of the answer; what leaves before it goes to the outbox."""
    try:
        return await _encode(call, events, encoder, outbox)
    except Exception as exc:  # noqa: BLE001  # the edge: the client gets an error, whatever it is
        failed = call.failed(exc)
        return encoder.error(failed, call.request_id) if outbox.has_data else failed
    finally:
        # Also when the client has gone: the generator learns it here and now, not when collected.
        if isinstance(events, AsyncGenerator):
            await events.aclose()


async def _encode(
    call: Call, events: AsyncIterator[ExchangeEvent], encoder: Encoder, outbox: "_Outbox"
) -> bytes:
    last: bytes | None = None
    pace = Pace()
    async for event in events:
        if last is not None:
            raise RuntimeError("an exchange went on after Closed")
        if type(event) is Opened:
            call.request_id = event.request_id
            outbox.headers = _headers(event)
        if type(event) is Closed:
            effort = len(event.summary.findings) * _FINDING
            last = await pace.done(partial(encoder.add, event), effort)
            continue
        if pace.is_over(0):
            await asyncio.sleep(0)
        data = encoder.add(event)
        if data:
            await outbox.put(data)
    if last is None:
        raise RuntimeError("an exchange ended without Closed")
    return last


class _Outbox:
    """What waits to be sent. What comes while nothing else can run goes out as one piece."""

    def __init__(self, call: Call, content_type: bytes) -> None:
        self.group: asyncio.TaskGroup
        self.headers: RawHeaders = []
        self.has_data = False
        """Whether anything of the body was put here."""
        self._call = call
        self._content_type = content_type
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._sending: asyncio.Task[None] | None = None

    async def put(self, data: bytes) -> None:
        """Send this soon; waits only where the client reads too slowly."""
        self.has_data = True
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._sending is None or self._sending.done():
            self._sending = self.group.create_task(self._flush())
        elif self._waiting_bytes > _MAX_WAITING_BYTES:
            await self._sending

    async def finish(self, last: bytes | Failure) -> None:
        """Send what waits and this, and end the answer."""
        call = self._call
        if isinstance(last, Failure):
            await call.refuse(last, self.headers)
            return
        if self._sending is not None:
            await self._sending
        if call.has_started:
            await call.send(last, is_last=True)
        else:
            await call.answer(last, content_type=self._content_type, headers=self.headers)

    async def _flush(self) -> None:
        if not self._call.has_started:
            await self._call.start(200, self._content_type, self.headers)
        while self._waiting:
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            await self._call.send(data, is_last=False)


def _headers(opened: Opened) -> RawHeaders:
    variant = opened.variant
    return [
        (b"x-banneton-persona", _ascii(opened.persona)),
        *([] if variant is None else [(b"x-banneton-variant", _ascii(variant))]),
        (b"x-banneton-catalog", _ascii(opened.catalog)),
        (b"x-banneton-input", _ascii(opened.input)),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),  # else a proxy in front may keep a stream until its end
    ]


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "replace")
