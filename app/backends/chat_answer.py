"""An OpenAI chat completion as its bytes come from a provider, streamed or whole."""

from collections.abc import Iterator

from app.backends.chat_chunks import PLAIN, ChunkReader
from app.backends.pictures import MAX_EVENT_BYTES
from app.backends.sse import SseParser
from app.domain.conversation import Sampling
from app.domain.errors import BackendError
from app.domain.events import StreamEvent


class AnswerReader:
    """Turns the bytes of a streamed answer into events, however they are cut."""

    __slots__ = ("_chunks", "_sse", "is_done")

    def __init__(self, asked: Sampling = PLAIN) -> None:
        """Begin; ``asked`` says how many choices there are, and whether they have tokens."""
        self._chunks = ChunkReader(asked)
        self._sse = SseParser(max_event_bytes=MAX_EVENT_BYTES)
        self.is_done = False
        """The provider has said ``[DONE]``; what follows is not looked at."""

    def feed(self, data: bytes) -> Iterator[StreamEvent]:
        """Take the next bytes and give the events that they complete, also before it raises.

        What comes out has to be read to its end before the next call.

        Raises:
            BackendError: The bytes are no such answer, or it reports an error.
        """
        return self._read(self._sse.feed(data))

    def end(self) -> Iterator[StreamEvent]:
        """Give what is left when the bytes have ended.

        Raises:
            BackendError: The answer has not ended.
        """
        yield from self._read(self._sse.end())
        yield from self._chunks.end()

    def _read(self, payloads: Iterator[bytes]) -> Iterator[StreamEvent]:
        if self.is_done:
            return
        failure: BackendError | None = None
        read = self._chunks.read
        try:
            for payload in payloads:
                if payload == b"[DONE]":
                    self.is_done = True
                    break
                read(payload)
        except BackendError as exc:
            failure = exc
        yield from self._chunks.take()
        if failure is not None:
            raise failure


def whole_answer(body: bytes, asked: Sampling = PLAIN) -> list[StreamEvent]:
    """The events of an answer that came as one JSON object.

    Raises:
        BackendError: It is no such answer, or it reports an error.
    """
    chunks = ChunkReader(asked)
    chunks.read_whole(body)
    return [*chunks.take(), *chunks.end()]
