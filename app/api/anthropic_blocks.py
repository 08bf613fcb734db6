"""The blocks of a message, as an answer makes them grow."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, assert_never

import orjson
from pydantic_core import from_json, to_json

from app.api.answer_encoder import Delta
from app.domain.conversation import Json
from app.domain.errors import BackendError, BackendProblem
from app.domain.events import (
    Annotation,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
)
from app.domain.signatures import ANTHROPIC, unmarked


@dataclass(slots=True)
class Block:
    """A block of the message as it grows."""

    kind: Literal["text", "refusal", "thinking", "redacted_thinking", "tool_use"]
    pieces: list[str] = field(default_factory=list)
    """Of its text, its reasoning or its arguments; whole, what stands for redacted reasoning."""
    call_id: str = ""
    name: str = ""
    signature: str = ""
    citations: list[Json] = field(default_factory=list)
    is_over: bool = False
    """Nothing more can come to it."""

    def begun(self) -> dict[str, Json]:
        """As it begins."""
        match self.kind:
            case "text" | "refusal":
                return {"type": "text", "text": ""}
            case "thinking":
                return {"type": "thinking", "thinking": "", "signature": ""}
            case "redacted_thinking":
                return {"type": "redacted_thinking", "data": "".join(self.pieces)}
            case "tool_use":
                return {"type": "tool_use", "id": self.call_id, "name": self.name, "input": {}}
            case _ as never:
                assert_never(never)

    def whole(self, *, is_cut: bool) -> dict[str, Json]:
        """As it has become; ``is_cut`` where the answer ended before its end."""
        made, said = self.begun(), "".join(self.pieces)
        match self.kind:
            case "text" | "refusal":
                made["text"] = said
                if self.citations:
                    made["citations"] = self.citations
            case "thinking":
                made |= {"thinking": said, "signature": self.signature}
            case "tool_use":
                made["input"] = _input(said, is_cut=is_cut)
            case "redacted_thinking":
                pass
            case _ as never:
                assert_never(never)
        return made

    def grown(self) -> Iterator[dict[str, Json]]:
        """The deltas from how it begins to how it is."""
        said = "".join(self.pieces)
        if said and self.kind != "redacted_thinking":
            yield self.delta(said)
        yield from map(_citation_delta, self.citations)
        if self.signature:
            yield _signature_delta(self.signature)

    def delta(self, more: str) -> dict[str, Json]:
        """The delta for more of it."""
        match self.kind:
            case "thinking":
                return {"type": "thinking_delta", "thinking": more}
            case "tool_use":
                return {"type": "input_json_delta", "partial_json": more}
            case _:
                return {"type": "text_delta", "text": more}


Growth = tuple[int, list[dict[str, Json]]]
"""Which block grew, and its deltas."""


class Blocks:
    """The blocks of a message, in the order in which they begin."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._calls: dict[int, int] = {}

    def take(self, event: Delta) -> Growth | None:
        """Let a block grow; none where the event says nothing.

        Raises:
            BackendError: The answer is none that this dialect can carry.
        """
        if event.choice:
            raise too_many()
        match event:
            case TextDelta() | RefusalDelta():
                if not event.text:
                    return None
                at = self._text("text" if isinstance(event, TextDelta) else "refusal")
                return at, [self._grow(at, event.text)]
            case ReasoningDelta():
                return self._reasoning(event)
            case ToolCallDelta():
                return self._call(event)
            case Annotation():
                at, citation = self._text("text"), _citation(event)
                self.blocks[at].citations.append(citation)
                return at, [_citation_delta(citation)]
            case ImageDelta():
                raise _broken("answered with an image, which this dialect cannot carry")
            case _ as never:
                assert_never(never)

    def end(self) -> None:
        """Nothing more comes to any of them."""
        for block in self.blocks:
            block.is_over = True

    def _grow(self, at: int, more: str) -> dict[str, Json]:
        block = self.blocks[at]
        block.pieces.append(more)
        return block.delta(more)

    def _text(self, kind: Literal["text", "refusal"]) -> int:
        self._end("thinking")
        for at, block in enumerate(self.blocks):
            if block.kind == kind and not block.is_over:
                return at
        return self._begin(Block(kind))

    def _reasoning(self, event: ReasoningDelta) -> Growth | None:
        signed = unmarked(event.signed or "", ANTHROPIC)
        if event.is_redacted:
            self._end("text", "refusal", "thinking")
            return self._begin(Block("redacted_thinking", [signed], is_over=True)), []
        if not event.text and not signed:
            return None
        self._end("text", "refusal")
        at = len(self.blocks) - 1
        if at < 0 or self.blocks[at].kind != "thinking" or self.blocks[at].is_over:
            at = self._begin(Block("thinking"))
        deltas = [self._grow(at, event.text)] if event.text else []
        if signed:
            self.blocks[at].signature, self.blocks[at].is_over = signed, True
            deltas.append(_signature_delta(signed))
        return at, deltas

    def _call(self, event: ToolCallDelta) -> Growth | None:
        self._end("thinking")
        at = self._calls.get(event.index)
        if at is None:
            if not event.call_id or not event.name:
                raise _broken("began a tool call without its id or name")
            if event.signed is not None:
                # A call has no place for a signature, and clients give this back as it is.
                self._begin(Block("redacted_thinking", [event.signed], is_over=True))
            block = Block("tool_use", call_id=event.call_id, name=event.name)
            at = self._calls[event.index] = self._begin(block)
        # What stands before the first brace says nothing, and some readers stumble over it.
        more = event.arguments if self.blocks[at].pieces else event.arguments.lstrip()
        return at, [self._grow(at, more)] if more else []

    def _begin(self, block: Block) -> int:
        self.blocks.append(block)
        return len(self.blocks) - 1

    def _end(self, *kinds: str) -> None:
        for block in self.blocks:
            if block.kind in kinds:
                block.is_over = True


def _input(arguments: str, *, is_cut: bool) -> orjson.Fragment:
    """The arguments of a call as the model wrote them, or what there is of them."""
    text = arguments or "{}"
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        if not is_cut:
            raise _broken("called a tool with what is no JSON") from None
        try:
            value = from_json(text, allow_inf_nan=False, allow_partial=True)
        except ValueError:
            raise _broken("called a tool with what is no JSON") from None
        text = to_json(value).decode()
    if type(value) is not dict:
        raise _broken("called a tool with JSON that is no object")
    return orjson.Fragment(text)


def _citation(event: Annotation) -> dict[str, Json]:
    return {
        "type": "web_search_result_location",
        "url": event.url,
        "title": event.title,
        "cited_text": "",
        "encrypted_index": "",
    }


def _citation_delta(citation: Json) -> dict[str, Json]:
    return {"type": "citations_delta", "citation": citation}


def _signature_delta(signature: str) -> dict[str, Json]:
    return {"type": "signature_delta", "signature": signature}


def _broken(what: str) -> BackendError:
    return BackendError(BackendProblem.BROKEN, f"the model {what}")


def too_many() -> BackendError:
    """The error for an answer with more choices than this dialect has."""
    return _broken("gave more than the one answer that was asked for")
