"""Responses: the items of an answer as they grow, and the events that tell of it.

What a model says comes mixed, since the release gate holds the end of each text back until the
choice ends: words may follow a call that began after them. Every event names its item, so items
stay open side by side until the answer ends. Only reasoning ends where it is signed, or where
something else begins.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, assert_never

from typing_extensions import override

from app.api.answer_encoder import Delta, token_json
from app.domain.conversation import Json
from app.domain.events import (
    Annotation,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    Token,
    TokenDelta,
    ToolCallDelta,
)
from app.domain.signatures import OPENAI, unmarked

Fields = dict[str, Json]
Event = tuple[str, Fields]
"""The word of an event after ``response.``, and its fields but for the number."""
Ended = Literal["completed", "incomplete"]
PartKind = Literal["output_text", "refusal"]


@dataclass(slots=True)
class Part:
    """A part of a message."""

    kind: PartKind
    place: Fields
    """What events about it begin with."""
    texts: list[str] = field(default_factory=list)
    annotations: list[Json] = field(default_factory=list)
    tokens: list[Json] = field(default_factory=list)

    def json(self) -> Fields:
        """The part as it stands."""
        text = "".join(self.texts)
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": text}
        notes, tokens = list(self.annotations), list(self.tokens)
        return {"type": "output_text", "text": text, "annotations": notes, "logprobs": tokens}


@dataclass(slots=True)
class Item(ABC):
    """One item of the output."""

    item_id: str
    index: int
    status: Literal["in_progress"] | Ended = "in_progress"

    @property
    def place(self) -> Fields:
        """What events about its inside begin with."""
        return {"item_id": self.item_id, "output_index": self.index}

    @abstractmethod
    def json(self) -> Fields:
        """The item as it stands."""

    @abstractmethod
    def ends(self) -> list[Event]:
        """What is told of its inside when it ends."""


@dataclass(slots=True)
class Said(Item):
    """A message: at most one text and one refusal."""

    parts: list[Part] = field(default_factory=list)

    @override
    def json(self) -> Fields:
        return {
            "id": self.item_id,
            "type": "message",
            "role": "assistant",
            "status": self.status,
            "content": [part.json() for part in self.parts],
        }

    @override
    def ends(self) -> list[Event]:
        told: list[Event] = []
        for part in self.parts:
            made = part.json()
            if part.kind == "refusal":
                told.append(("refusal.done", part.place | {"refusal": made["refusal"]}))
            else:
                whole = {"text": made["text"], "logprobs": _in_event(part.tokens)}
                told.append(("output_text.done", part.place | whole))
            told.append(("content_part.done", part.place | {"part": made}))
        return told


@dataclass(slots=True)
class Call(Item):
    """A call of a function."""

    call_id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)

    @override
    def json(self) -> Fields:
        return {
            "id": self.item_id,
            "type": "function_call",
            "call_id": self.call_id,
            "name": self.name,
            "arguments": "".join(self.arguments),
            "status": self.status,
        }

    @override
    def ends(self) -> list[Event]:
        whole = {"arguments": "".join(self.arguments)}
        return [("function_call_arguments.done", self.place | whole)]


@dataclass(slots=True)
class Thought(Item):
    """A block of reasoning; without text where its provider shows none."""

    texts: list[str] = field(default_factory=list)
    signed: str | None = None

    @property
    def summary(self) -> Fields:
        """The text that is shown of it."""
        return {"type": "summary_text", "text": "".join(self.texts)}

    @override
    def json(self) -> Fields:
        made: Fields = {
            "id": self.item_id,
            "type": "reasoning",
            "summary": [self.summary] if self.texts else [],
            "status": self.status,
        }
        return made if self.signed is None else made | {"encrypted_content": self.signed}

    @override
    def ends(self) -> list[Event]:
        if not self.texts:
            return []
        place, part = self.place | {"summary_index": 0}, self.summary
        return [
            ("reasoning_summary_text.done", place | {"text": part["text"]}),
            ("reasoning_summary_part.done", place | {"part": part}),
        ]


@dataclass(slots=True)
class Drawing(Item):
    """A picture that the model drew. It comes whole, so that the item ends where it begins."""

    data: str = ""
    media_type: str = ""

    @override
    def json(self) -> Fields:
        made: Fields = {
            "id": self.item_id,
            "type": "image_generation_call",
            "status": self.status,
            "result": None,
        }
        if self.status == "in_progress":
            return made
        return made | {
            "result": self.data,
            "output_format": self.media_type.removeprefix("image/"),
        }

    @override
    def ends(self) -> list[Event]:
        steps = ("in_progress", "generating", "completed")
        return [(f"image_generation_call.{step}", self.place) for step in steps]


def _in_event(tokens: Iterable[Json]) -> list[Json]:
    """Tokens as events have them: without their bytes."""
    return [{key: token[key] for key in token if key != "bytes"} for token in tokens]


class Output:
    """The items of one answer."""

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._items: list[Item] = []
        self._begun = 0
        self._said: Said | None = None
        self._text: Part | None = None
        self._thought: Thought | None = None
        self._calls: dict[int, Call] = {}
        self._told: list[Event] = []

    def json(self) -> list[Fields]:
        """The items as they stand."""
        return [item.json() for item in self._items]

    def told(self) -> list[Event]:
        """What has happened since this was last asked for."""
        told, self._told = self._told, []
        return told

    @property
    def text(self) -> Part | None:
        """The text that more words belong to, where nothing has to begin or end before them."""
        return self._text if self._thought is None else None

    def take(self, delta: Delta) -> None:
        """More of the answer."""
        tokens = delta.tokens if isinstance(delta, TokenDelta) else ()
        if isinstance(delta, (TextDelta, RefusalDelta)) and not (delta.text or tokens):
            return
        if self._thought is not None and not isinstance(delta, ReasoningDelta):
            self._end(self._thought, "completed")
            self._thought = None
        match delta:
            case TextDelta():
                self._words("output_text", delta.text, tokens)
            case RefusalDelta():
                self._words("refusal", delta.text)
            case ReasoningDelta():
                self._reason(delta)
            case ToolCallDelta():
                self._call(delta)
            case Annotation():
                self._note(delta)
            case ImageDelta():
                self._draw(delta)
            case _ as never:
                assert_never(never)

    def end(self, how: Ended) -> None:
        """End all that is open; what comes after is said in a message of its own."""
        for item in self._items:
            self._end(item, how)
        self._said = self._text = self._thought = None
        self._calls = {}

    def drop_calls(self) -> None:
        """Forget calls: nobody can tell whether they are whole, and clients run what has ended."""
        self._items = [item for item in self._items if not isinstance(item, Call)]

    def _new(self, prefix: str) -> tuple[str, int]:
        """Id and place of the next item."""
        at = self._begun
        self._begun += 1
        return f"{prefix}_{self._request_id}_{at}", at

    def _begin(self, item: Item) -> None:
        self._items.append(item)
        made = {"output_index": item.index, "item": item.json()}
        self._told.append(("output_item.added", made))

    def _end(self, item: Item, how: Ended) -> None:
        if item.status != "in_progress":
            return
        item.status = how
        made = {"output_index": item.index, "item": item.json()}
        self._told += [*item.ends(), ("output_item.done", made)]

    def _part(self, kind: PartKind) -> Part:
        """The part of that kind, begun where there is none yet."""
        said = self._said
        if said is None:
            said = self._said = Said(*self._new("msg"))
            self._begin(said)
        for part in said.parts:
            if part.kind == kind:
                return part
        made = Part(kind, said.place | {"content_index": len(said.parts)})
        said.parts.append(made)
        if kind == "output_text":
            self._text = made
        self._told.append(("content_part.added", made.place | {"part": made.json()}))
        return made

    def _words(self, kind: PartKind, text: str, tokens: Iterable[Token] = ()) -> None:
        part = self._part(kind)
        part.texts.append(text)
        told = [token_json(token) for token in tokens]
        part.tokens += told
        more: Fields = part.place | {"delta": text}
        if kind == "refusal":
            self._told.append(("refusal.delta", more))
        else:
            self._told.append(("output_text.delta", more | {"logprobs": _in_event(told)}))

    def _reason(self, delta: ReasoningDelta) -> None:
        if not delta.text and delta.signed is None:
            return
        thought = self._thought
        if thought is None:
            thought = self._thought = Thought(*self._new("rs"))
            self._begin(thought)
        if delta.text:
            place = thought.place | {"summary_index": 0}
            if not thought.texts:
                begun = place | {"part": thought.summary}
                self._told.append(("reasoning_summary_part.added", begun))
            thought.texts.append(delta.text)
            self._told.append(("reasoning_summary_text.delta", place | {"delta": delta.text}))
        if delta.signed is not None:
            self._sign(thought, delta.signed)

    def _sign(self, thought: Thought, signed: str) -> None:
        thought.signed = unmarked(signed, OPENAI)
        self._end(thought, "completed")
        self._thought = None

    def _call(self, delta: ToolCallDelta) -> None:
        call = self._calls.get(delta.index)
        if call is None:
            if delta.signed is not None:
                # A call has no place for a signature, and clients give this back as it is.
                thought = Thought(*self._new("rs"))
                self._begin(thought)
                self._sign(thought, delta.signed)
            call_id, name = delta.call_id or "", delta.name or ""
            call = Call(*self._new("fc"), call_id=call_id, name=name)
            self._calls[delta.index] = call
            self._begin(call)
        if delta.arguments:
            call.arguments.append(delta.arguments)
            more = call.place | {"delta": delta.arguments}
            self._told.append(("function_call_arguments.delta", more))

    def _draw(self, delta: ImageDelta) -> None:
        made = Drawing(*self._new("ig"), data=delta.data, media_type=delta.media_type)
        self._begin(made)
        self._end(made, "completed")

    def _note(self, delta: Annotation) -> None:
        part = self._part("output_text")
        note = {
            "type": "url_citation",
            "url": delta.url,
            "title": delta.title,
            "start_index": delta.start,
            "end_index": delta.end,
        }
        place = part.place | {"annotation_index": len(part.annotations)}
        part.annotations.append(note)
        self._told.append(("output_text.annotation.added", place | {"annotation": note}))
