"""The provider behind the gateway: the vendor's protocol on loopback, steered from a test."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from typing_extensions import override

from tests.servers.openai_server import (
    DONE,
    OpenAIServer,
    Play,
    Seen,
    chunk,
    echo,
    last_user_text,
    text_answer,
    usage_chunk,
)

Json = Any


class Latch(asyncio.Event):
    """An event for a ``Gate`` that a test in another thread opens."""

    @override
    async def wait(self) -> Literal[True]:
        while not self.is_set():  # noqa: ASYNC110  # set from another thread, which wakes nobody
            await asyncio.sleep(0.005)
        return True


@dataclass
class Provider:
    """What each test gets fresh of the one server."""

    server: OpenAIServer
    plays: deque[Play] = field(default_factory=deque)
    answer: Callable[[Json], Play] | None = None
    """What to play when nothing is queued; without it, what was sent comes back."""
    _disconnects: int = 0

    def begin(self) -> None:
        """Forget what was before."""
        self.server.requests.clear()
        self.plays.clear()
        self.answer = None
        self._disconnects = self.server.disconnects
        self.server.answer = self._play

    def _play(self, body: Json) -> Play:
        if self.plays:
            return self.plays.popleft()
        return self.answer(body) if self.answer else echo(body)

    def play(self, *plays: Play) -> None:
        """Answer the next requests with these, in order."""
        self.plays.extend(plays)

    def say(self, text: str) -> None:
        """Answer the next request with a text."""
        self.play(text_answer(text))

    @property
    def requests(self) -> Sequence[Seen]:
        """What came since the test began."""
        return self.server.requests

    @property
    def body(self) -> Json:
        """The last request."""
        return self.server.requests[-1].body

    @property
    def user_text(self) -> str:
        """The last user message of the last request."""
        return last_user_text(self.body)

    @property
    def disconnects(self) -> int:
        """How many requests the gateway closed early since the test began."""
        return self.server.disconnects - self._disconnects


def tool_calls(*calls: tuple[str, str, str], chunk_chars: int = 5) -> Play:
    """Play several calls at once, their arguments in turns: id, name and arguments of each."""
    begins = [
        {
            "index": at,
            "id": call_id,
            "type": "function",
            "function": {"name": name, "arguments": ""},
        }
        for at, (call_id, name, _) in enumerate(calls)
    ]
    longest = max(len(arguments) for _, _, arguments in calls)
    pieces = [
        chunk({"tool_calls": [{"index": at, "function": {"arguments": piece}}]})
        for start in range(0, longest, chunk_chars)
        for at, (_, _, arguments) in enumerate(calls)
        if (piece := arguments[start : start + chunk_chars])
    ]
    head = [
        chunk({"role": "assistant", "content": None, "tool_calls": [begin]})
        if at == 0
        else chunk({"tool_calls": [begin]})
        for at, begin in enumerate(begins)
    ]
    return Play([*head, *pieces, chunk(finish="tool_calls"), usage_chunk(), DONE])
