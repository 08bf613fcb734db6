"""The items of a Responses answer as they grow, as events."""

from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from app.backends.strict import broken
from app.domain.events import (
    Annotation,
    Finish,
    FinishReason,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)

_MAX_CALLS: Final = 128
_BETWEEN: Final = "\n\n"
"""Stands between two texts of one item of reasoning: each begins with a headline of its own."""


class ItemKind(Enum):
    """What an item is."""

    MESSAGE = auto()
    CALL = auto()
    REASONING = auto()
    PICTURE = auto()


ARGUMENTS: Final = ("arguments", 0)
"""The place of a call's arguments."""
Place = tuple[str, int]
"""A text of an item: what the protocol calls it, and which of these it is."""

_Said = type[TextDelta | RefusalDelta | ReasoningDelta] | None
"""As what it is said; ``None`` for the arguments of a call."""
_CHANNELS: Final = MappingProxyType[str, tuple[ItemKind, _Said]](
    {
        "output_text": (ItemKind.MESSAGE, TextDelta),
        "refusal": (ItemKind.MESSAGE, RefusalDelta),
        "summary_text": (ItemKind.REASONING, ReasoningDelta),
        "reasoning_text": (ItemKind.REASONING, ReasoningDelta),
        "arguments": (ItemKind.CALL, None),
    }
)


@dataclass(slots=True)
class _Text:
    """One text of an item."""

    starts_at: int
    """How many code points of the answer's text came before it."""
    said: list[str] = field(default_factory=list)
    cited: int = 0


@dataclass(slots=True)
class _Item:
    kind: ItemKind
    call: tuple[int, str, str] = (0, "", "")
    """Which call it is, counted from 0, its id and its name."""
    texts: dict[Place, _Text] = field(default_factory=dict)
    is_over: bool = False


class Items:
    """The items of one answer. They may grow side by side, but for texts of one channel.

    Text that comes in several pieces before ``take`` is given as one event: how an answer is cut
    carries no meaning, and each event costs everyone behind it.
    """

    __slots__ = ("_calls", "_events", "_items", "_last", "_run", "_run_of", "_text_chars")

    def __init__(self) -> None:
        self._items: dict[int, _Item] = {}
        self._events: list[StreamEvent] = []
        self._run: list[str] = []
        self._run_of: tuple[_Said, int] = (TextDelta, 0)
        self._last: dict[_Said, _Text] = {}
        self._calls = 0
        self._text_chars = 0

    def has(self, at: int) -> bool:
        """Whether this item has begun."""
        return at in self._items

    def is_over(self, at: int) -> bool:
        """Whether this item has ended."""
        return at in self._items and self._items[at].is_over

    def begin(self, at: int, kind: ItemKind) -> None:
        """Begin an item that is no call.

        Raises:
            BackendError: There was one of this number, or reasoning would stand in reasoning.
        """
        self._add(at, _Item(kind))

    def begin_call(self, at: int, call_id: str, name: str) -> None:
        """Begin a call, or see that it is still the one that has begun.

        Raises:
            BackendError: It is another, or there are too many.
        """
        known = self._items.get(at)
        if known is not None:
            if known.kind is not ItemKind.CALL or known.call[1:] != (call_id, name):
                raise broken("the provider changed a call's id or name half-way")
            return
        if self._calls >= _MAX_CALLS:
            raise broken(f"the provider's answer holds more than {_MAX_CALLS} tool calls")
        self._add(at, _Item(ItemKind.CALL, (self._calls, call_id, name)))
        self._emit(ToolCallDelta(self._calls, "", call_id, name))
        self._calls += 1

    def more(self, at: int, place: Place, text: str) -> None:
        """More of a text.

        Raises:
            BackendError: Its item is not open, or holds no such text, or the provider goes back to
                a text that another of the same channel has followed.
        """
        grown, said, item = self._text(at, place)
        if not text:
            return
        if (said, item.call[0]) != self._run_of:
            self._end_run()
            self._run_of = (said, item.call[0])
        if said is not None and self._last.get(said) is not grown:
            if grown.said:
                raise broken("the provider went back to a text that it had left")
            if said is ReasoningDelta and any(each.said for each in item.texts.values()):
                self._run.append(_BETWEEN)
            self._last[said] = grown
            grown.starts_at = self._text_chars
        if said is TextDelta:
            self._text_chars += len(text)
        grown.said.append(text)
        self._run.append(text)

    def rest(self, at: int, place: Place, whole: str) -> None:
        """The whole of a text, of which a part may have come already.

        Raises:
            BackendError: As ``more``, or what came is not how it begins.
        """
        grown, _, _ = self._text(at, place)
        said = "".join(grown.said)
        if not whole.startswith(said):
            raise broken("the provider repeated a text in other words than it had said it")
        self.more(at, place, whole[len(said) :])

    def cite(self, at: int, place: Place, source: Annotation, number: int) -> None:
        """A source of a text, unless it is known: ``number`` says which of the text it is.

        Its places are counted from the beginning of this text.
        """
        grown, _, _ = self._text(at, place)
        if number < grown.cited:
            return
        grown.cited = number + 1
        begin = grown.starts_at if grown.said else self._text_chars
        self._emit(Annotation(source.url, source.title, begin + source.start, begin + source.end))

    def show(self, at: int, image: ImageDelta) -> None:
        """The picture of an item.

        Raises:
            BackendError: It is of another kind, or not open.
        """
        if self._open(at).kind is not ItemKind.PICTURE:
            raise broken("the provider sent a picture in another kind of item than one")
        self._emit(image)

    def end(self, at: int, signed: str = "") -> None:
        """End an item; ``signed`` is what covers its reasoning.

        Raises:
            BackendError: It is not open.
        """
        item = self._open(at)
        item.is_over = True
        has_texts = any(each.said for each in item.texts.values())
        if item.kind is ItemKind.CALL and not has_texts:
            # A call without parameters; inside, arguments are always JSON.
            self._emit(ToolCallDelta(item.call[0], "{}"))
        if item.kind is ItemKind.REASONING and signed:
            self._emit(ReasoningDelta("", signed=signed, is_redacted=not has_texts))

    def finish(self, reason: FinishReason) -> None:
        """End the answer; what came to its end may have ended in calls.

        Raises:
            BackendError: It came to its end, and an item did not.
        """
        if reason is FinishReason.STOP:
            if not all(item.is_over for item in self._items.values()):
                raise broken("the provider ended its answer in the middle of an item")
            if self._calls:
                reason = FinishReason.TOOL_CALLS
        self._emit(Finish(reason))

    def take(self) -> list[StreamEvent]:
        """The events of what was read since the last call."""
        self._end_run()
        events = self._events
        self._events = []
        return events

    def _add(self, at: int, item: _Item) -> None:
        if at in self._items:
            raise broken("the provider began an item twice")
        if item.kind is ItemKind.REASONING and any(
            other.kind is ItemKind.REASONING and not other.is_over for other in self._items.values()
        ):
            # A signature covers the reasoning before it, which would be that of both.
            raise broken("the provider reasons in two items at a time")
        self._items[at] = item

    def _open(self, at: int) -> _Item:
        item = self._items.get(at)
        if item is None or item.is_over:
            raise broken("the provider sent a piece of an item that is not open")
        return item

    def _text(self, at: int, place: Place) -> tuple[_Text, _Said, _Item]:
        item = self._open(at)
        kind, said = _CHANNELS[place[0]]
        if item.kind is not kind:
            raise broken("the provider sent a piece of another kind of item than the one it named")
        grown = item.texts.get(place)
        if grown is None:
            grown = item.texts[place] = _Text(self._text_chars)
        return grown, said, item

    def _emit(self, event: StreamEvent) -> None:
        self._end_run()
        self._events.append(event)

    def _end_run(self) -> None:
        if not self._run:
            return
        text = "".join(self._run)
        self._run.clear()
        said, call = self._run_of
        if said is None:
            self._events.append(ToolCallDelta(call, text))
        else:
            self._events.append(said(text))
