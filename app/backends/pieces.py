"""A streamed answer as its bytes come: cut into pieces, the pieces into events."""

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from app.domain.errors import BackendError
from app.domain.events import StreamEvent

PieceT = TypeVar("PieceT")
PieceT_co = TypeVar("PieceT_co", covariant=True)
PieceT_contra = TypeVar("PieceT_contra", contravariant=True)


class Cutter(Protocol[PieceT_co]):
    """Finds the pieces of a stream, however its bytes are cut."""

    def feed(self, chunk: bytes, /) -> Iterator[PieceT_co]:
        """The pieces that these bytes complete.

        Raises:
            BackendError: The bytes are no such stream.
        """
        ...

    def end(self) -> Iterator[PieceT_co]:
        """What is left when the bytes have ended.

        Raises:
            BackendError: They end in the middle of a piece.
        """
        ...


class Answer(Protocol[PieceT_contra]):
    """Reads the pieces of one answer."""

    @property
    def is_done(self) -> bool:
        """The provider has said that the answer is over; what follows is not looked at."""
        ...

    def read(self, piece: PieceT_contra, /) -> None:
        """Read one piece.

        Raises:
            BackendError: It is none of such an answer, or it reports an error.
        """
        ...

    def take(self) -> list[StreamEvent]:
        """The events of what was read since the last call."""
        ...

    def end(self) -> list[StreamEvent]:
        """What is left at the end.

        Raises:
            BackendError: The answer has not ended.
        """
        ...


class PieceReader(Generic[PieceT]):
    """Turns the bytes of a streamed answer into events, however they are cut."""

    __slots__ = ("_answer", "_cutter")

    def __init__(self, cutter: Cutter[PieceT], answer: Answer[PieceT]) -> None:
        self._cutter = cutter
        self._answer = answer

    @property
    def is_done(self) -> bool:
        """The provider has said that the answer is over; what follows is not looked at."""
        return self._answer.is_done

    def feed(self, data: bytes) -> Iterator[StreamEvent]:
        """Take the next bytes and give the events that they complete, also before it raises.

        What comes out has to be read to its end before the next call.

        Raises:
            BackendError: The bytes are no such answer, or it reports an error.
        """
        return self._read(self._cutter.feed(data))

    def end(self) -> Iterator[StreamEvent]:
        """Give what is left when the bytes have ended.

        Raises:
            BackendError: The answer has not ended.
        """
        if not self.is_done:
            yield from self._read(self._cutter.end())
        yield from self._answer.end()

    def _read(self, pieces: Iterator[PieceT]) -> Iterator[StreamEvent]:
        answer = self._answer
        failure: BackendError | None = None
        try:
            for piece in () if answer.is_done else pieces:
                answer.read(piece)
                if answer.is_done:
                    break
        except BackendError as exc:
            failure = exc
        yield from answer.take()
        if failure is not None:
            raise failure
