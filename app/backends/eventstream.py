"""AWS's binary event streams: bytes in, however they are cut, framed events out.

The framing is read by ``botocore``, which checks both of its checksums.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from botocore.eventstream import EventStreamBuffer, ParserError

from app.domain.errors import BackendError, BackendProblem


@dataclass(frozen=True, slots=True)
class Frame:
    """One framed event."""

    kind: str
    """``event``, ``exception`` or ``error``."""
    name: str
    payload: bytes


class FrameCutter:
    """Cuts one stream into its framed events."""

    __slots__ = ("_buffer", "_left_bytes")

    def __init__(self) -> None:
        self._buffer = EventStreamBuffer()
        self._left_bytes = 0

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Take the next bytes and give the events that they complete.

        What comes out has to be read to its end before the next call.

        Raises:
            BackendError: The bytes are no such stream.
        """
        self._left_bytes += len(chunk)
        self._buffer.add_data(chunk)
        while (frame := self._next()) is not None:
            yield frame

    def end(self) -> Iterator[Frame]:
        """Nothing: a frame is whole or it is none.

        Raises:
            BackendError: The bytes end in the middle of a frame.
        """
        if self._left_bytes:
            raise _broken("breaks off in the middle of an event")
        return iter(())

    def _next(self) -> Frame | None:
        try:
            message = next(self._buffer, None)
        # What the parser lets through of the bytes' own mistakes: a field cut short, a kind of
        # header that is not defined, letters that are none.
        except (ParserError, struct.error, KeyError, UnicodeDecodeError):
            raise _broken("is not framed as AWS frames its events") from None
        if message is None:
            return None
        self._left_bytes -= message.prelude.total_length
        kind = message.headers.get(":message-type")
        name = message.headers.get(_NAMES.get(kind, ""))
        if type(name) is not str:
            raise _broken("holds an event of no kind")
        return Frame(kind, name, message.payload)


_NAMES = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}


def _broken(what: str) -> BackendError:
    return BackendError(BackendProblem.BROKEN, f"the provider's event stream {what}")
