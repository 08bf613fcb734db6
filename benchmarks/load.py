"""A closed-loop load of raw HTTP/1.1 on loopback, as cheap as Python allows."""

import asyncio
import time
from dataclasses import dataclass, field

PLACE = b"@@@@@@@@"
"""Where a request has a number of its own."""


@dataclass(slots=True)
class Result:
    """What one run saw."""

    requests: int = 0
    errors: int = 0
    seconds: float = 0.0
    total_ms: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    """Until the first byte of content: for a stream, the first chunk that holds text."""


async def _one(host: str, port: int, request: bytes, until: float, result: Result) -> None:
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
    while time.perf_counter() < until:
        start = time.perf_counter()
        # Each request asks something else, so that nothing can be remembered from the last one.
        writer.write(request.replace(PLACE, b"%08d" % (result.requests % 10**8), 1))
        head = await reader.readuntil(b"\r\n\r\n")
        first = 0.0
        lowered = head.lower()
        if b"content-length:" in lowered:
            length = int(lowered.split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            first = time.perf_counter()
            if b'"content"' not in body:
                result.errors += 1
        else:
            while True:
                size = int(await reader.readuntil(b"\r\n"), 16)
                data = await reader.readexactly(size + 2)
                if size == 0:
                    break
                if not first and b'"content":"' in data:
                    first = time.perf_counter()
        now = time.perf_counter()
        if not head.startswith(b"HTTP/1.1 200") or not first:
            result.errors += 1
        result.requests += 1
        result.total_ms.append((now - start) * 1000)
        result.first_ms.append(((first or now) - start) * 1000)
    writer.close()


async def run(url: str, request: bytes, *, connections: int, seconds: float) -> Result:
    """Load ``url`` (``http://host:port/path``) for some seconds."""
    host, _, port = url.split("/")[2].partition(":")
    result = Result()
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_one(host, int(port), request, start + seconds, result))
    result.seconds = time.perf_counter() - start
    return result
