"""Chat Completions: the events of an exchange become chunks, or one answer.

In a stream the end of a choice waits for ``Closed``, so that the last chunk that leaves before
``[DONE]`` can say how the whole exchange went, and none leaves before its record is closed. A
chunk without choices would do as well, but many clients read ``choices[0]`` of every chunk.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import assert_never

import orjson
from typing_extensions import override

from app.api.answer_encoder import AnswerEncoder, Delta, token_json
from app.api.errors import Failure, openai_error
from app.domain.conversation import Json
from app.domain.events import (
    Annotation,
    FinishReason,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    Token,
    TokenDelta,
    ToolCallDelta,
    Usage,
)
from app.pipeline.answer import ExchangeEvent

_ROLE = b'"role":"assistant",'
_TAIL = b'},"finish_reason":null}]}\n\n'
_LOGPROBS_TAIL = b'},"logprobs":%b,"finish_reason":null}]}\n\n'


class ChatStream(AnswerEncoder):
    """A stream of ``chat.completion.chunk``; of most of them only the text has to be encoded."""

    content_type = b"text/event-stream; charset=utf-8"

    def __init__(
        self, created: int, *, wants_usage: bool = False, wants_logprobs: bool = False
    ) -> None:
        """Begin; ``wants_usage`` is ``stream_options.include_usage``."""
        super().__init__(created)
        self._wants_usage = wants_usage
        self._wants_logprobs = wants_logprobs
        self._heads: dict[int, bytes] = {}

    @override
    def add(self, event: ExchangeEvent) -> bytes:
        if type(event) is TextDelta and not self.stopped:
            return self._delta(event.choice, b'"content":' + orjson.dumps(event.text))
        return super().add(event)

    @override
    def error(self, failed: Failure, request_id: str) -> bytes:
        return b"data: " + openai_error(failed, request_id) + b"\n\n"

    def _delta(self, choice: int, fields: bytes, tail: bytes = _TAIL) -> bytes:
        head = self._heads.get(choice)
        if head is None:
            envelope = orjson.dumps(_envelope(self, "chat.completion.chunk"))[:-1]
            head = b'data: %b,"choices":[{"index":%d,"delta":{' % (envelope, choice)
            self._heads[choice] = head
            fields = _ROLE + fields
        return head + fields + tail

    def _tokens(self, choice: int, text: str, tokens: Iterable[Token]) -> bytes:
        logprobs = orjson.dumps(_logprobs_json(tokens))
        return self._delta(choice, b'"content":' + orjson.dumps(text), _LOGPROBS_TAIL % logprobs)

    @override
    def more(self, event: Delta) -> bytes:
        fields: bytes
        match event:
            case TokenDelta():
                return self._tokens(event.choice, event.text, event.tokens)
            case TextDelta():
                fields = b'"content":' + orjson.dumps(event.text)
            case ReasoningDelta():
                fields = b'"reasoning_content":' + orjson.dumps(event.text)
                if not event.text:
                    return b""  # a signature alone, which this dialect has no place for
            case RefusalDelta():
                fields = b'"refusal":' + orjson.dumps(event.text)
            case ToolCallDelta():
                fields = b'"tool_calls":' + orjson.dumps([_call_delta_json(event)])
            case Annotation():
                fields = b'"annotations":' + orjson.dumps([_annotation_json(event)])
            case ImageDelta():
                fields = b'"images":' + orjson.dumps([_image_json(event)])
            case _ as never:
                assert_never(never)
        return self._delta(event.choice, fields)

    @override
    def reply(self, text: str, choice: int) -> bytes:
        if self._wants_logprobs:
            return self._tokens(choice, text, [Token(text)])
        return self._delta(choice, b'"content":' + orjson.dumps(text))

    @override
    def end(self, summary: dict[str, Json]) -> bytes:
        envelope = _envelope(self, "chat.completion.chunk")
        chunks: list[dict[str, Json]] = []
        for choice, reason in self.reasons().items():
            delta = {} if choice in self._heads else {"role": "assistant", "content": ""}
            ended = {"index": choice, "delta": delta, "finish_reason": reason}
            chunks.append({**envelope, "choices": [ended]})
        if self._wants_usage:
            usage = None if self.usage is None else _usage_json(self.usage)
            chunks.append({**envelope, "choices": [], "usage": usage})
        chunks[-1]["banneton"] = summary
        ends = b"".join(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks)
        return ends + b"data: [DONE]\n\n"


@dataclass(slots=True)
class _Call:
    """A tool call as it grows."""

    call_id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    signed: str | None = None

    def json(self) -> dict[str, Json]:
        """The call as it stands."""
        function = {"name": self.name, "arguments": "".join(self.arguments)}
        made: dict[str, Json] = {"id": self.call_id, "type": "function", "function": function}
        return made if self.signed is None else made | _signed_json(self.signed)


@dataclass(slots=True)
class _Choice:
    """A choice as it grows."""

    text: list[str] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: dict[int, _Call] = field(default_factory=dict)
    annotations: list[Json] = field(default_factory=list)
    images: list[Json] = field(default_factory=list)

    def message(self) -> dict[str, Json]:
        """The choice as a message."""
        made: dict[str, Json] = {
            "role": "assistant",
            "content": "".join(self.text) if self.text or not self.calls else None,
            "refusal": "".join(self.refusal) if self.refusal else None,
        }
        if self.reasoning:
            made["reasoning_content"] = "".join(self.reasoning)
        if self.annotations:
            made["annotations"] = self.annotations
        if self.images:
            made["images"] = self.images
        if self.calls:
            made["tool_calls"] = [call.json() for _, call in sorted(self.calls.items())]
        return made


class ChatWhole(AnswerEncoder):
    """One ``chat.completion``: the same events, collected."""

    content_type = b"application/json"

    def __init__(self, created: int, *, wants_logprobs: bool = False) -> None:
        """Begin; ``created`` is in seconds since 1970."""
        super().__init__(created)
        self._wants_logprobs = wants_logprobs
        self._choices: dict[int, _Choice] = {}

    @override
    def error(self, failed: Failure, request_id: str) -> bytes:
        raise RuntimeError("an answer that leaves whole has no middle to fail in")

    @override
    def more(self, event: Delta) -> bytes:
        choice = self._choices.setdefault(event.choice, _Choice())
        match event:
            case TextDelta():
                choice.text.append(event.text)
                if isinstance(event, TokenDelta):
                    choice.tokens.extend(event.tokens)
            case ReasoningDelta():
                if event.text:
                    choice.reasoning.append(event.text)
            case RefusalDelta():
                choice.refusal.append(event.text)
            case ToolCallDelta():
                call = choice.calls.setdefault(event.index, _Call())
                call.call_id = event.call_id or call.call_id
                call.name = event.name or call.name
                call.signed = event.signed or call.signed
                call.arguments.append(event.arguments)
            case Annotation():
                choice.annotations.append(_annotation_json(event))
            case ImageDelta():
                choice.images.append(_image_json(event))
            case _ as never:
                assert_never(never)
        return b""

    @override
    def reply(self, text: str, choice: int) -> bytes:
        # What came before was never sent, so the reply stands alone.
        self._choices[choice] = _Choice(text=[text], tokens=[Token(text)])
        return b""

    @override
    def end(self, summary: dict[str, Json]) -> bytes:
        choices = [self._choice(choice, reason) for choice, reason in self.reasons().items()]
        usage = None if self.usage is None else _usage_json(self.usage)
        made = _envelope(self, "chat.completion")
        return orjson.dumps(made | {"choices": choices, "usage": usage, "banneton": summary})

    def _choice(self, number: int, reason: FinishReason) -> dict[str, Json]:
        choice = self._choices.get(number, _Choice())
        made = {"index": number, "message": choice.message(), "finish_reason": reason}
        return made | {"logprobs": _logprobs_json(choice.tokens)} if self._wants_logprobs else made


def _logprobs_json(tokens: Iterable[Token]) -> dict[str, Json]:
    return {"content": [token_json(token) for token in tokens], "refusal": None}


def _usage_json(usage: Usage) -> dict[str, Json]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _annotation_json(event: Annotation) -> dict[str, Json]:
    citation = {
        "url": event.url,
        "title": event.title,
        "start_index": event.start,
        "end_index": event.end,
    }
    return {"type": "url_citation", "url_citation": citation}


def _call_delta_json(event: ToolCallDelta) -> dict[str, Json]:
    function: dict[str, Json] = {"arguments": event.arguments}
    made: dict[str, Json] = {"index": event.index, "function": function}
    if event.call_id is not None:
        made |= {"id": event.call_id, "type": "function"}
    if event.name is not None:
        function["name"] = event.name
    return made if event.signed is None else made | _signed_json(event.signed)


def _signed_json(signed: str) -> dict[str, Json]:
    """What a model signed of a call, where Google's own endpoint for this format puts it."""
    return {"extra_content": {"google": {"thought_signature": signed}}}


def _image_json(event: ImageDelta) -> dict[str, Json]:
    url = f"data:{event.media_type};base64,{event.data}"
    return {"type": "image_url", "image_url": {"url": url}}


def _envelope(answer: AnswerEncoder, kind: str) -> dict[str, Json]:
    """The fields that are the same in every chunk."""
    return {
        "id": f"chatcmpl-{answer.opened.request_id}",
        "object": kind,
        "created": answer.created,
        "model": answer.opened.persona,
    }
