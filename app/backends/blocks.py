"""An answer that comes as blocks, one after the other, as events."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from app.backends.pictures import picture
from app.backends.strict import broken
from app.domain.events import (
    Annotation,
    Finish,
    FinishReason,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)

_MAX_CALLS: Final = 128


class Kind(Enum):
    """What a block is made of."""

    TEXT = auto()
    REASONING = auto()
    REDACTED = auto()
    CALL = auto()
    IMAGE = auto()


@dataclass(slots=True)
class _Block:
    index: int
    kind: Kind
    starts_at: int
    """How many code points of text came before it."""
    opaque: list[str] = field(default_factory=list)
    """Pieces of the signature, or of what stands for redacted reasoning."""
    has_arguments: bool = False
    cited: list[tuple[str, str]] = field(default_factory=list)
    """Address and title of each source."""


class Blocks:
    """The blocks of one answer, of which one at a time is open.

    Text that comes in several pieces before ``take`` is given as one event: how an answer is cut
    carries no meaning, and each event costs everyone behind it.
    """

    __slots__ = ("_calls", "_events", "_last_index", "_open", "_run", "_text_chars", "is_finished")

    def __init__(self) -> None:
        self._events: list[StreamEvent] = []
        self._run: list[str] = []
        self._open: _Block | None = None
        self._last_index = -1
        self._calls = 0
        self._text_chars = 0
        self.is_finished = False

    def open(self, index: int, kind: Kind) -> None:
        """Begin a block.

        Raises:
            BackendError: Another is still open, or there was one of this number.
        """
        if self.is_finished:
            raise broken("the provider went on with an answer that it had ended")
        if self._open is not None or index <= self._last_index:
            raise broken("the provider began a block out of order")
        self._open = _Block(index, kind, self._text_chars)
        self._last_index = index

    def open_call(self, index: int, call_id: str, name: str) -> None:
        """Begin a tool call.

        Raises:
            BackendError: As ``open``, or there are too many.
        """
        self.open(index, Kind.CALL)
        if self._calls >= _MAX_CALLS:
            raise broken(f"the provider's answer holds more than {_MAX_CALLS} tool calls")
        self._events.append(ToolCallDelta(self._calls, "", call_id, name))
        self._calls += 1

    def is_open(self, index: int) -> bool:
        """Whether this block is the one that is open."""
        return self._open is not None and self._open.index == index

    def is_past(self, index: int) -> bool:
        """Whether there was a block of this number, or of a higher one."""
        return index <= self._last_index

    def text(self, index: int, text: str) -> None:
        """More of a block of text."""
        self._expect(index, Kind.TEXT)
        self._text_chars += len(text)
        self._run.append(text)

    def reasoning(self, index: int, text: str) -> None:
        """More of a block of reasoning."""
        self._expect(index, Kind.REASONING)
        self._run.append(text)

    def signature(self, index: int, signature: str) -> None:
        """More of the signature of a block of reasoning."""
        self._expect(index, Kind.REASONING).opaque.append(signature)

    def redacted(self, index: int, opaque: str) -> None:
        """What stands for a block of reasoning that is not shown."""
        self._expect(index, Kind.REDACTED).opaque.append(opaque)

    def arguments(self, index: int, text: str) -> None:
        """More of the arguments of a call."""
        block = self._expect(index, Kind.CALL)
        if text:
            block.has_arguments = True
            self._run.append(text)

    def image(self, index: int, media_type: str, data: str) -> None:
        """The picture of a block, base64.

        Raises:
            BackendError: It is none, or there was one already: pieces of base64 do not make one.
        """
        block = self._expect(index, Kind.IMAGE)
        if block.opaque:
            raise broken("the provider sent a picture in more than one piece")
        block.opaque.append(data)
        self._events.append(picture(data, media_type, "image"))

    def cite(self, index: int, url: str, title: str) -> None:
        """A source of a block of text."""
        self._expect(index, Kind.TEXT).cited.append((url, title))

    def close(self, index: int) -> None:
        """End a block.

        Raises:
            BackendError: It is not open.
        """
        block = self._open
        if block is None or block.index != index:
            raise broken("the provider ended a block that was not open")
        self._end_run()
        opaque = "".join(block.opaque)
        match block.kind:
            case Kind.TEXT:
                for url, title in block.cited:
                    cited = Annotation(url, title, block.starts_at, self._text_chars)
                    self._events.append(cited)
            case Kind.REASONING if opaque:
                self._events.append(ReasoningDelta("", signed=opaque))
            case Kind.REDACTED:
                self._events.append(ReasoningDelta("", signed=opaque, is_redacted=True))
            case Kind.CALL if not block.has_arguments:
                # A call without parameters; inside, arguments are always JSON.
                self._events.append(ToolCallDelta(self._calls - 1, "{}"))
            case _:
                pass
        self._open = None

    def finish(self, reason: FinishReason, stopped_by: str | None = None) -> None:
        """End the answer, by a text to stop at where there is one.

        Raises:
            BackendError: A block is open, or it has ended already.
        """
        if self._open is not None or self.is_finished:
            raise broken("the provider ended its answer out of order")
        self._events.append(Finish(reason, stopped_by=stopped_by))
        self.is_finished = True

    def take(self) -> list[StreamEvent]:
        """The events of what was read since the last call."""
        self._end_run()
        events = self._events
        self._events = []
        return events

    def _expect(self, index: int, kind: Kind) -> _Block:
        block = self._open
        if block is None or block.index != index or block.kind is not kind:
            raise broken("the provider sent a piece of another block than the one that is open")
        return block

    def _end_run(self) -> None:
        block = self._open
        if block is None or not self._run:
            return
        text = "".join(self._run)
        self._run.clear()
        if not text:
            return
        match block.kind:
            case Kind.TEXT:
                self._events.append(TextDelta(text))
            case Kind.REASONING:
                self._events.append(ReasoningDelta(text))
            case Kind.CALL:
                self._events.append(ToolCallDelta(self._calls - 1, text))
            case Kind.REDACTED | Kind.IMAGE:
                pass
