"""A model that costs nothing: one asyncio protocol, answers made in advance.

The model's name steers it: ``json-1000`` answers 1,000 characters; ``chunks-50-0`` streams 50
chunks of 8 characters as fast as they go, ``chunks-50-10`` 10 ms apart.
"""

import asyncio
import sys
from typing import cast

import httptools
import orjson
from typing_extensions import override

WORDS = (
    "The milestone moved because the supplier asked for more time and the budget did not change. "
)


def text_of(chars: int) -> str:
    """Plain prose of this length."""
    return (WORDS * (chars // len(WORDS) + 1))[:chars]


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "mock",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return b"data: " + orjson.dumps(body) + b"\n\n"


USAGE = {"prompt_tokens": 200, "completion_tokens": 200, "total_tokens": 400}


def json_answer(chars: int) -> bytes:
    """A whole HTTP answer."""
    message = {"role": "assistant", "content": text_of(chars), "refusal": None}
    body = orjson.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "mock",
            "choices": [
                {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
            ],
            "usage": USAGE,
        }
    )
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = _framed(_chunk({}, "stop")) + _framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Model(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""
        self.transport: asyncio.Transport | None = None
        self.jobs: set[asyncio.Task[None]] = set()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Part of a request's body."""
        self.body += body

    def on_message_complete(self) -> None:
        """A whole request: answer it."""
        asked = orjson.loads(self.body or b"{}")
        self.body = b""
        kind, _, rest = str(asked.get("model", "json-1000")).partition("-")
        transport = self.transport
        if transport is None:
            return
        if not asked.get("stream"):
            transport.write(json_answer(int(rest) if kind == "json" else 400))
            return
        count, delay_ms = (int(part) for part in rest.split("-")) if kind == "chunks" else (50, 0)
        chunks = [
            _framed(_chunk({"content": text_of(8 * count)[8 * i : 8 * i + 8]}))
            for i in range(count)
        ]
        if delay_ms:
            job = asyncio.get_running_loop().create_task(self.stream(chunks, delay_ms / 1000))
            self.jobs.add(job)
            job.add_done_callback(self.jobs.discard)
        else:
            transport.write(HEAD + b"".join(chunks) + LAST)

    async def stream(self, chunks: list[bytes], delay_s: float) -> None:
        """Send chunks with a pause after each."""
        transport = self.transport
        if transport is None:
            return
        transport.write(HEAD)
        for chunk in chunks:
            transport.write(chunk)
            await asyncio.sleep(delay_s)
        transport.write(LAST)


async def serve(port: int) -> None:
    """Listen on loopback until stopped."""
    server = await asyncio.get_running_loop().create_server(Model, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1])))
