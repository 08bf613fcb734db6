"""Anthropic Messages: the events of an exchange become a message, or a stream of its events.

A message is a list of blocks (``app.api.anthropic_blocks``), and a stream gives one block after the
other. The guarded answer is several texts at once: the end of a text may be held until the calls
that follow it are known. So what belongs to a later block waits until the one before it can grow no
more. Text ends where reasoning begins; a call may grow until the answer ends. While something
waits, a ping leaves.

The end of the message waits for ``Closed``, so that nothing that looks like an end leaves before
the record is closed, and the last event but one can say how the whole exchange went.
"""

from collections.abc import Sequence
from typing import assert_never

import orjson
from typing_extensions import override

from app.api.answer_encoder import AnswerEncoder, Delta
from app.api.anthropic_blocks import Block, Blocks, too_many
from app.api.errors import Failure, anthropic_error
from app.domain.conversation import Json
from app.domain.events import Finish, FinishReason, TextDelta, Usage
from app.pipeline.answer import ExchangeEvent

_PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_TEXT_HEAD = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":'
)


class _MessageEncoder(AnswerEncoder):
    """What a stream and a whole message share: the blocks, and why they end."""

    def __init__(self, created: int, stops: Sequence[str] = ()) -> None:
        """Begin.

        Args:
            created: In seconds since 1970.
            stops: The texts that the client wants the answer to stop at.
        """
        super().__init__(created)
        self.made = Blocks()
        self._stops = stops

    @override
    def add(self, event: ExchangeEvent) -> bytes:
        if isinstance(event, Finish) and not self.stopped:
            # Here and not at the end, by which time the record says that all is well.
            if event.choice:
                raise too_many()
            for block in self.made.blocks:
                block.whole(is_cut=event.reason is FinishReason.LENGTH)
        return super().add(event)

    def ended(self, summary: dict[str, Json]) -> tuple[dict[str, Json], dict[str, Json]]:
        """Why the message ended, and what stands beside that."""
        reason = self._reason()
        is_refused = reason == "refusal"
        details = {"type": "refusal", "category": None, "explanation": None}
        why = {
            "stop_reason": reason,
            "stop_sequence": self._stop_sequence if reason == "stop_sequence" else None,
            "stop_details": details if is_refused else None,
        }
        return why, {"usage": _usage(self.usage), "banneton": summary}

    def envelope(self) -> dict[str, Json]:
        """A message that nothing has come of yet."""
        return {
            "id": f"msg_{self.opened.request_id}",
            "type": "message",
            "role": "assistant",
            "model": self.opened.persona,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            # What was counted is known at the end, and stands there.
            "usage": _usage(None),
        }

    def _reason(self) -> str:
        kinds = {block.kind for block in self.made.blocks}
        match self.reasons()[0]:
            case FinishReason.CONTENT_FILTER:
                return "refusal"
            case FinishReason.LENGTH:
                return "max_tokens"
            case FinishReason.STOP | FinishReason.TOOL_CALLS:
                # Where a call was forced, some providers say that the answer just stopped.
                if "tool_use" in kinds:
                    return "tool_use"
                if "refusal" in kinds:
                    return "refusal"
                return "end_turn" if self._stop_sequence is None else "stop_sequence"
            case _ as never:
                assert_never(never)

    @property
    def _stop_sequence(self) -> str | None:
        """Which of the client's texts ended the answer; none of anybody else's leaves."""
        if self.stopped_by == "" and len(self._stops) == 1:
            return self._stops[0]
        return self.stopped_by if self.stopped_by in self._stops else None


class MessageStream(_MessageEncoder):
    """A stream of events; of most of them only the text has to be encoded."""

    content_type = b"text/event-stream; charset=utf-8"

    def __init__(self, created: int, stops: Sequence[str] = ()) -> None:
        """Begin, as the class above."""
        super().__init__(created, stops)
        self._at = 0
        """Of the block that is being sent."""
        self._is_begun = False
        """Whether its beginning has been sent."""
        self._has_started = False

    @override
    def error(self, failed: Failure, request_id: str) -> bytes:
        return b"event: error\ndata: " + anthropic_error(failed, request_id) + b"\n\n"

    @override
    def more(self, event: Delta) -> bytes:
        taken = self.made.take(event)
        if taken is None:
            return b""
        at, deltas = taken
        sent = self._start()
        if at == self._at and self._is_begun:
            if type(event) is TextDelta:
                sent += _TEXT_HEAD % at + orjson.dumps(event.text) + b"}}\n\n"
            else:
                sent += b"".join(map(self._delta, deltas))
        return sent + self._advance() or _PING

    @override
    def reply(self, text: str, choice: int) -> bytes:
        # What waits has not left, and does not leave any more: a call might be run.
        del self.made.blocks[self._at + self._is_begun :]
        self.made.end()
        self.made.blocks.append(Block("text", [text]))
        return self._start() + self._advance()

    @override
    def end(self, summary: dict[str, Json]) -> bytes:
        self.made.end()
        sent = self._start() + self._advance()
        why, beside = self.ended(summary)
        return sent + _event("message_delta", {"delta": why} | beside) + _event("message_stop", {})

    def _start(self) -> bytes:
        if self._has_started:
            return b""
        self._has_started = True
        return _event("message_start", {"message": self.envelope()})

    def _delta(self, delta: dict[str, Json]) -> bytes:
        return _event("content_block_delta", {"index": self._at, "delta": delta})

    def _advance(self) -> bytes:
        """Go on to the block that can still grow, as far as it has come."""
        sent: list[bytes] = []
        while self._at < len(self.made.blocks):
            block = self.made.blocks[self._at]
            if not self._is_begun:
                self._is_begun = True
                begun = {"index": self._at, "content_block": block.begun()}
                sent.append(_event("content_block_start", begun))
                sent.extend(map(self._delta, block.grown()))
            if not block.is_over:
                break
            sent.append(_event("content_block_stop", {"index": self._at}))
            self._at += 1
            self._is_begun = False
        return b"".join(sent)


class MessageWhole(_MessageEncoder):
    """One message: the same events, collected."""

    content_type = b"application/json"

    @override
    def error(self, failed: Failure, request_id: str) -> bytes:
        raise RuntimeError("an answer that leaves whole has no middle to fail in")

    @override
    def more(self, event: Delta) -> bytes:
        self.made.take(event)
        return b""

    @override
    def reply(self, text: str, choice: int) -> bytes:
        # What came before was never sent, so the reply stands alone.
        self.made.blocks = [Block("text", [text])]
        return b""

    @override
    def end(self, summary: dict[str, Json]) -> bytes:
        why, beside = self.ended(summary)
        is_cut = why["stop_reason"] == "max_tokens"
        content = [block.whole(is_cut=is_cut) for block in self.made.blocks]
        return orjson.dumps(self.envelope() | why | beside | {"content": content})


def _usage(usage: Usage | None) -> dict[str, Json]:
    """What was counted; this dialect counts tokens that were cached apart, and needs a number."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    return {
        "input_tokens": max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens),
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }


def _event(name: str, fields: dict[str, Json]) -> bytes:
    data = orjson.dumps({"type": name} | fields)
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
