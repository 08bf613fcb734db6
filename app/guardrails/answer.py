"""The parts of an answer while it is guarded: choices, and the texts of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from app.domain.events import (
    Annotation,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)
from app.guardrails.channel import Channel
from app.guardrails.restore import Restorer
from app.guardrails.rewrite import Edit

Delta = TextDelta | RefusalDelta | ReasoningDelta | ToolCallDelta


@dataclass(slots=True)
class Text:
    """A channel with its way out: what is released becomes events like this one."""

    channel: Channel
    like: Delta | None
    """None for texts that become part of another event."""
    restorer: Restorer | None
    """None where pseudonyms stay."""
    signed: str | None = None
    """What the provider signed of it, where that waits for the end."""
    passed: list[str] = field(default_factory=list)
    """What was released, before pseudonyms were restored."""

    def events(self, text: str, *, is_end: bool = False) -> list[StreamEvent]:
        """The events for a released text."""
        self.passed.append(text)
        shown = text if self.restorer is None else self.restorer.feed(text, is_end=is_end)
        if not shown:
            return []
        like = self.like
        if isinstance(like, TextDelta):
            return [TextDelta(shown, like.choice)]
        match like:
            case None:
                return []
            case ToolCallDelta(name=None):
                return [replace(like, arguments=shown)]
            case ToolCallDelta():
                return [replace(like, name=shown)]
            case _:
                return [replace(like, text=shown)]

    def place(self, point: int) -> int:
        """Where a place of the model's text is in what was shown."""
        shown = _moved(point, self.channel.edits)
        return shown if self.restorer is None else _moved(shown, self.restorer.edits)


def _moved(point: int, edits: Sequence[Edit]) -> int:
    """Where a place is after edits; what is inside one is at its end."""
    moved = point
    for edit in edits:
        if edit.end > point:
            return edit.new_end if edit.start < point else moved
        moved = point + edit.new_end - edit.end
    return moved


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

    @property
    def answer(self) -> str:
        """The text as it is passed on, without what is added at its end."""
        text = self.texts.get("text")
        return "" if text is None else text.channel.passing().text

    def append(self, added: str) -> list[StreamEvent]:
        """Add an author's words at the end of the text, where there is one."""
        text = self.texts.get("text")
        if text is None or not added:
            return []
        text.passed.append(added)
        return [TextDelta(added, self.number)]
