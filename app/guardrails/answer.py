"""The parts of an answer while it is guarded: choices, and the texts of each."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from app.domain.events import (
    Annotation,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    Token,
    TokenDelta,
    ToolCallDelta,
)
from app.guardrails.aside import effort
from app.guardrails.channel import Channel
from app.guardrails.cut import Halt
from app.guardrails.known import PSEUDONYM
from app.guardrails.restore import Restorer
from app.guardrails.rewrite import Edit, Rewritten
from app.guardrails.seen import Seen, in_original
from app.guardrails.tokens import Tokens

Delta = TextDelta | RefusalDelta | ReasoningDelta | ToolCallDelta


@dataclass(slots=True)
class Text:
    """A channel with its way out.

    What the channel releases still has its pseudonyms. The restorer puts values in their place, and
    the exit, a channel too, looks at what that makes before it leaves. Each of the three gives the
    same however its text is cut, and so do they together.
    """

    channel: Channel
    like: Delta | None
    """What leaves becomes events like this; none for texts that become part of another event."""
    restorer: Restorer | None = None
    """None where pseudonyms stay."""
    exit: Channel | None = None
    """None where nothing looks at restored text, or there is nothing to restore."""
    signed: str | None = None
    """What the provider signed of it, where that waits for the end."""
    passed: list[str] = field(default_factory=list)
    """What the channel released."""
    is_withheld: bool = False
    """Nothing of it left: it was signed, and would not have left as it was."""
    tokens: Tokens | None = None
    """None where they are not wanted."""
    added: str = ""
    """What rules put at its end."""
    images: list[tuple[int, ImageDelta]] = field(default_factory=list)
    """Those that wait, each with its place: how much of the model's text came before it."""
    shown: list[ImageDelta] = field(default_factory=list)
    """Those that left."""
    _left: int = 0
    """How much text left."""
    _closed: str | None = None
    """What the end gave, before the exit's own end; none before the end."""

    @property
    def is_intact(self) -> bool:
        """Whether it leaves as the model wrote it or not at all: reasoning that is signed."""
        return isinstance(self.like, ReasoningDelta) and self.signed is not None

    @property
    def halt(self) -> Halt | None:
        """Where it was stopped: on its way out, or before."""
        return (self.exit is not None and self.exit.halt) or self.channel.halt

    @property
    def seen(self) -> Seen:
        """What was said of it, with offsets of what the model wrote."""
        seen = self.channel.seen
        if self.exit is None or self.restorer is None:
            return seen
        left = self.exit.seen
        left = replace(
            left, findings=tuple(f for f in left.findings if f.detector != PSEUDONYM.detector)
        )
        left = in_original(left, Rewritten("", tuple(self.restorer.edits)))
        return seen + in_original(left, Rewritten("", tuple(self.channel.edits)))

    @property
    def content(self) -> str:
        """All that left, with pseudonyms where values were put back."""
        passed = "".join(self.passed)
        if self.is_withheld:
            return ""
        if self.exit is None or self.restorer is None:
            return passed + self.added
        back = Rewritten("", tuple(self.restorer.edits))
        left = self.exit.passing()
        parts: list[str] = []
        at = 0
        for edit in left.edits:
            start, end = back.to_original(edit.start, edit.end)
            parts += passed[at:start], left.text[edit.new_start : edit.new_end]
            at = max(at, end)
        released = self.exit.released
        return "".join([*parts, passed[at : back.to_original(released, released)[1]], self.added])

    def effort(self, more: str) -> int:
        """About how much work it is to take so much more, as ``aside`` counts it."""
        made = self.channel.effort(more)
        return made if self.exit is None else made + self.exit.effort(more)

    def more(self, released: str) -> str:
        """What can leave when the channel has released more."""
        self.passed.append(released)
        shown = released if self.restorer is None else self.restorer.feed(released)
        return shown if self.exit is None else self.exit.feed(shown)

    def close(self) -> None:
        """The channel has ended: let the exit have what is left of it."""
        if self._closed is not None:
            return
        released = self.channel.release()
        self.passed.append(released)
        if self.restorer is not None and not self.is_intact:
            released = self.restorer.feed(released, is_end=True)
        self._closed = released if self.exit is None else self.exit.feed(released)

    def rest(self) -> str:
        """What is left to leave, once closed and once the exit has ended."""
        left = self._closed or ""
        self._closed = ""
        return left if self.exit is None else left + self.exit.release()

    def events(self, shown: str) -> list[StreamEvent]:
        """The events for what leaves."""
        like = self.like
        if like is None or not (shown or self.images):
            return []
        if isinstance(like, TextDelta):
            if self.images:
                return self._with_images(shown, like.choice)
            self._left += len(shown)
            return [
                TextDelta(shown, like.choice)
                if self.tokens is None
                else self._words(shown, like.choice)
            ]
        match like:
            case ToolCallDelta(name=None):
                return [replace(like, arguments=shown)]
            case ToolCallDelta():
                return [replace(like, name=shown)]
            case _:
                return [replace(like, text=shown)]

    def _words(self, shown: str, choice: int) -> TextDelta:
        if self.tokens is None:
            return TextDelta(shown, choice)
        return TokenDelta(shown, choice, self.tokens.leave(shown, self.left_at))

    def _with_images(self, shown: str, choice: int) -> list[StreamEvent]:
        """What leaves of the answer's text, with each image where the model put it."""
        events: list[StreamEvent] = []
        while self.images and self._is_past(self.images[0][0], self._left + len(shown)):
            place, image = self.images.pop(0)
            before = max(self.place(place) - self._left, 0)
            if before:
                events.append(self._words(shown[:before], choice))
                shown = shown[before:]
                self._left += before
            events.append(image)
            self.shown.append(image)
        self._left += len(shown)
        return [*events, self._words(shown, choice)] if shown else events

    def _is_past(self, place: int, left: int) -> bool:
        """Whether an image at a place may leave: all text before it has.

        Of a text that is held, once it has ended; where that stops, none leaves.

        Args:
            place: In the model's text.
            left: How much has left of it.
        """
        exit_ = self.exit
        holds = self.channel.holds or (exit_ is not None and exit_.holds)
        if holds and (self.halt is not None or self._closed is None):
            return False
        if place > self.channel.released:
            return False
        moved = place_after(place, self.channel.edits)
        if self.restorer is not None:
            moved = place_after(moved, self.restorer.edits)
        return moved <= (left if exit_ is None else exit_.released)

    def steers(self) -> list[str]:
        """What rules add at the end of the answer because of it; after the end."""
        return self.channel.steers() + (self.exit.steers() if self.exit is not None else [])

    def conclude(self) -> None:
        """Nothing more leaves: record what detectors say of it as far as it came."""
        self.channel.conclude()
        if self.exit is not None:
            self.exit.conclude()

    def place(self, point: int) -> int:
        """Where a place of the model's text is in what left."""
        moved = place_after(point, self.channel.edits)
        if self.restorer is not None:
            moved = place_after(moved, self.restorer.edits)
        return moved if self.exit is None else place_after(moved, self.exit.edits)

    def left_at(self, point: int) -> int | None:
        """The same; none while it has not left."""
        if point > self.channel.released:
            return None
        moved = place_after(point, self.channel.edits)
        if self.restorer is not None:
            if moved > self.restorer.read:
                return None
            moved = place_after(moved, self.restorer.edits)
        if self.exit is None:
            return moved
        return None if moved > self.exit.released else place_after(moved, self.exit.edits)


def place_after(point: int, edits: Sequence[Edit]) -> int:
    """Where a place is after edits; what is inside one is at its end."""
    after = bisect_right(edits, point, key=_end)
    if after < len(edits) and edits[after].start < point:
        return edits[after].new_end
    return point if not after else point + edits[after - 1].new_end - edits[after - 1].end


def _end(edit: Edit) -> int:
    return edit.end


@dataclass(slots=True)
class Choice:
    """One choice of the answer."""

    number: int
    texts: dict[str, Text] = field(default_factory=dict)
    """By what they are, in the order in which they began: ``text``, ``tool_calls[0].name``."""
    block: Text | None = None
    """The block of reasoning that is being written."""
    blocks: int = 0
    is_block_intact: bool = True
    """Whether the last block was passed on as it was, so that a late signature still fits."""
    annotations: list[Annotation] = field(default_factory=list)
    has_finished: bool = False

    def path(self, of: str) -> str:
        """What findings and records call a text of this choice."""
        return f"choices[{self.number}].{of}"

    def takes(self, event: ReasoningDelta) -> bool:
        """Whether a signature without a text fits: it may be of the last block."""
        return event.is_redacted or self.is_block_intact

    def extent(self) -> tuple[int, int]:
        """How many code points of it have come, and how many of them have left."""
        came = left = 0
        for text in self.texts.values():
            channel, exit_ = text.channel, text.exit
            came += channel.length
            left += channel.released
            if exit_ is not None:
                left += exit_.released - exit_.length
        return came, left

    def content(self) -> Iterator[tuple[str, str]]:
        """Path and text of what was released, and of each image what it is."""
        for text in self.texts.values():
            yield text.channel.path, text.content
            for number, image in enumerate(text.shown):
                yield self.path(f"images[{number}]"), image.description

    def effort(self, event: Delta | Annotation) -> int:
        """About how much work it is to take an event, as ``aside`` counts it."""
        match event:
            case TextDelta() | RefusalDelta():
                text = self.texts.get("text" if isinstance(event, TextDelta) else "refusal")
                more = event.text
            case ReasoningDelta():
                text, more = self.block, event.text
            case ToolCallDelta():
                text = self.texts.get(f"tool_calls[{event.index}].arguments")
                more = event.arguments
            case Annotation():
                text, more = None, ""
            case _:
                assert_never(event)
        made = effort(more) if text is None else text.effort(more)
        if self.block is None or (isinstance(event, ReasoningDelta) and event.signed is None):
            return made
        return made + effort(self.block.channel.text)  # it ends here, and is looked at whole

    def annotated(self) -> list[StreamEvent]:
        """The annotations, once all texts have been looked at."""
        return [self._annotated(number, each) for number, each in enumerate(self.annotations)]

    def _annotated(self, number: int, annotation: Annotation) -> Annotation:
        answer = self.texts.get("text")
        return replace(
            annotation,
            url="".join(self.texts[f"annotations[{number}].url"].passed),
            title="".join(self.texts[f"annotations[{number}].title"].passed),
            start=annotation.start if answer is None else answer.place(annotation.start),
            end=annotation.end if answer is None else answer.place(annotation.end),
        )

    @property
    def answer(self) -> str:
        """The text as it is passed on, without what is added at its end."""
        text = self.texts.get("text")
        return "" if text is None else text.content.removesuffix(text.added)

    def append(self, added: str) -> list[StreamEvent]:
        """Add an author's words at the end of the text, where there is one."""
        text = self.texts.get("text")
        if text is None or not added:
            return []
        text.added += added
        if text.tokens is None:
            return [TextDelta(added, self.number)]
        return [TokenDelta(added, self.number, (Token(added),))]

    def untold(self) -> list[StreamEvent]:
        """The tokens that are left when nothing more of the model's text leaves."""
        text = self.texts.get("text")
        if text is None or text.tokens is None:
            return []
        tokens = text.tokens.rest(text.left_at)
        return [TokenDelta("", self.number, tokens)] if tokens else []
