"""A closed-loop load of raw HTTP/1.1 on loopback, as cheap as Python allows."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

PLACE = b"@@@@@@@@"
"""Where a request has a number of its own."""
_NUMBERS = count()


@dataclass(slots=True)
class Result:
    """What one run saw."""

    requests: int = 0
    errors: int = 0
    seconds: float = 0.0
    total_ms: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    """Until the first byte of content: for a stream, the first chunk that holds text."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked again and again."""

    request: bytes
    marks: tuple[bytes, bytes] = (b'"content"', b'"content":"')
    """What stands in a whole answer that is one, and in a stream before its text."""


async def _one(host: str, port: int, job: Job, goes_on: Callable[[], bool], result: Result) -> None:
    in_whole, in_stream = job.marks
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
    while goes_on():
        start = time.perf_counter()
        # Each request asks something else than any before it: nothing can be remembered.
        writer.write(job.request.replace(PLACE, b"%08d" % next(_NUMBERS), 1))
        head = await reader.readuntil(b"\r\n\r\n")
        first = 0.0
        lowered = head.lower()
        if b"content-length:" in lowered:
            length = int(lowered.split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            first = time.perf_counter()
            if in_whole not in body:
                result.errors += 1
        else:
            while True:
                size = int(await reader.readuntil(b"\r\n"), 16)
                data = await reader.readexactly(size + 2)
                if size == 0:
                    break
                if not first and in_stream in data:
                    first = time.perf_counter()
        now = time.perf_counter()
        if not head.startswith(b"HTTP/1.1 200") or not first:
            result.errors += 1
        result.requests += 1
        result.total_ms.append((now - start) * 1000)
        result.first_ms.append(((first or now) - start) * 1000)
    writer.close()


async def run(url: str, job: Job, *, connections: int, seconds: float) -> Result:
    """Load ``url`` (``http://host:port/path``) for some seconds."""
    until = time.perf_counter() + seconds
    return await _run(url, job, connections, lambda: time.perf_counter() < until)


async def ask(url: str, job: Job, *, connections: int, requests: int) -> Result:
    """Ask so many times."""
    left = iter(range(requests))
    return await _run(url, job, connections, lambda: next(left, None) is not None)


async def _run(url: str, job: Job, connections: int, goes_on: Callable[[], bool]) -> Result:
    host, _, port = url.split("/")[2].partition(":")
    result = Result()
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_one(host, int(port), job, goes_on, result))
    result.seconds = time.perf_counter() - start
    return result
