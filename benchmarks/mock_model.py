"""A model that costs nothing: one asyncio protocol, answers made in advance.

The path says which of the providers' protocols is spoken. The model's name steers it: ``json-1000``
answers 1,000 characters; ``chunks-50-0`` streams 50 chunks of 8 characters as fast as they go,
``chunks-50-10`` 10 ms apart.
"""

import asyncio
import sys
from collections.abc import Sequence
from functools import cache
from typing import cast

import httptools
from typing_extensions import override

from benchmarks.protocols import Protocol, asked

WORDS = (
    "The milestone moved because the supplier asked for more time and the budget did not change. "
)


def text_of(chars: int) -> str:
    """Plain prose of this length."""
    return (WORDS * (chars // len(WORDS) + 1))[:chars]


def json_answer(protocol: Protocol, chars: int) -> bytes:
    """A whole HTTP answer."""
    body = protocol.whole(text_of(chars))
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _head(protocol: Protocol) -> bytes:
    kind = protocol.stream_type.encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n" % kind


@cache
def stream_answer(protocol: Protocol, count: int) -> tuple[bytes, tuple[bytes, ...], bytes]:
    """The beginning of a streamed HTTP answer, so many pieces of 8 characters, and the end."""
    text = text_of(8 * count)
    pieces = tuple(_framed(protocol.piece(text[8 * i : 8 * i + 8])) for i in range(count))
    opening = _framed(protocol.opening) if protocol.opening else b""
    return _head(protocol) + opening, pieces, _framed(protocol.closing) + b"0\r\n\r\n"


class Model(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.path = ""
        self.body = b""
        self.transport: asyncio.Transport | None = None
        self.jobs: set[asyncio.Task[None]] = set()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Where the request goes to."""
        self.path = url.decode()

    def on_body(self, body: bytes) -> None:
        """Part of a request's body."""
        self.body += body

    def on_message_complete(self) -> None:
        """A whole request: answer it."""
        wanted = asked(self.path, self.body)
        self.body = b""
        kind, _, rest = wanted.model.partition("-")
        transport = self.transport
        if transport is None:
            return
        if not wanted.is_stream:
            transport.write(json_answer(wanted.protocol, int(rest) if kind == "json" else 400))
            return
        count, delay_ms = (int(part) for part in rest.split("-")) if kind == "chunks" else (50, 0)
        opening, pieces, closing = stream_answer(wanted.protocol, count)
        if delay_ms:
            work = self.stream(opening, pieces, closing, delay_ms / 1000)
            job = asyncio.get_running_loop().create_task(work)
            self.jobs.add(job)
            job.add_done_callback(self.jobs.discard)
        else:
            transport.write(opening + b"".join(pieces) + closing)

    async def stream(
        self, opening: bytes, pieces: Sequence[bytes], closing: bytes, delay_s: float
    ) -> None:
        """Send pieces with a pause after each."""
        transport = self.transport
        if transport is None:
            return
        transport.write(opening)
        for piece in pieces:
            transport.write(piece)
            await asyncio.sleep(delay_s)
        transport.write(closing)


async def serve(port: int) -> None:
    """Listen on loopback until stopped."""
    server = await asyncio.get_running_loop().create_server(Model, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1])))
