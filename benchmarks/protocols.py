"""What a model's answer looks like in each protocol, made in advance: for the mock model."""

import binascii
import struct
from collections.abc import Callable
from dataclasses import dataclass

import orjson

_TOKENS = 200


@dataclass(frozen=True, slots=True)
class Protocol:
    """How answers are written on the wire."""

    stream_type: str
    whole: Callable[[str], bytes]
    """A whole answer of this text."""
    opening: bytes
    """What a stream begins with."""
    piece: Callable[[str], bytes]
    """A piece of a stream's text."""
    closing: bytes
    """What a stream ends with."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for."""

    protocol: Protocol
    model: str
    is_stream: bool


def asked(path: str, body: bytes) -> Asked:
    """What this path and body ask for."""
    if path.startswith("/model/"):
        _, _, model, call = path.split("/")
        return Asked(BEDROCK, model, call == "converse-stream")
    if "/models/" in path:
        model, _, call = path.partition("?")[0].rpartition("/")[2].partition(":")
        return Asked(GEMINI, model, call == "streamGenerateContent")
    said = orjson.loads(body or b"{}")
    protocol = ANTHROPIC if path.endswith("/messages") else OPENAI
    return Asked(protocol, str(said.get("model", "json-1000")), bool(said.get("stream")))


def _sse(data: object, event: str = "") -> bytes:
    named = f"event: {event}\n".encode() if event else b""
    return named + b"data: " + orjson.dumps(data) + b"\n\n"


def _openai_chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _sse(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "mock",
            "choices": [choice],
        }
    )


def _openai_whole(text: str) -> bytes:
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return orjson.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "mock",
            "choices": [choice],
            "usage": {
                "prompt_tokens": _TOKENS,
                "completion_tokens": _TOKENS,
                "total_tokens": 2 * _TOKENS,
            },
        }
    )


OPENAI = Protocol(
    "text/event-stream",
    _openai_whole,
    b"",
    lambda text: _openai_chunk({"content": text}),
    _openai_chunk({}, "stop") + b"data: [DONE]\n\n",
)


def _message(content: list[dict[str, str]], stop: str | None) -> dict[str, object]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "mock",
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": _TOKENS, "output_tokens": _TOKENS},
    }


def _anthropic_event(kind: str, **fields: object) -> bytes:
    return _sse({"type": kind, **fields}, kind)


ANTHROPIC = Protocol(
    "text/event-stream",
    lambda text: orjson.dumps(_message([{"type": "text", "text": text}], "end_turn")),
    _anthropic_event("message_start", message=_message([], None))
    + _anthropic_event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    lambda text: _anthropic_event(
        "content_block_delta", index=0, delta={"type": "text_delta", "text": text}
    ),
    _anthropic_event("content_block_stop", index=0)
    + _anthropic_event(
        "message_delta",
        delta={"stop_reason": "end_turn", "stop_sequence": None},
        usage={"output_tokens": _TOKENS},
    )
    + _anthropic_event("message_stop"),
)


def _generated(text: str, *, is_last: bool) -> dict[str, object]:
    content = {"parts": [{"text": text}] if text else [], "role": "model"}
    ended = {"finishReason": "STOP"} if is_last else {}
    return {
        "candidates": [{"content": content, "index": 0, **ended}],
        "usageMetadata": {
            "promptTokenCount": _TOKENS,
            "candidatesTokenCount": _TOKENS,
            "totalTokenCount": 2 * _TOKENS,
        },
        "modelVersion": "mock",
        "responseId": "1",
    }


GEMINI = Protocol(
    "text/event-stream",
    lambda text: orjson.dumps(_generated(text, is_last=True)),
    b"",
    lambda text: _sse(_generated(text, is_last=False)),
    _sse(_generated("", is_last=True)),
)


def _converse_whole(text: str) -> bytes:
    return orjson.dumps(
        {
            "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
            "stopReason": "end_turn",
            "usage": {
                "inputTokens": _TOKENS,
                "outputTokens": _TOKENS,
                "totalTokens": 2 * _TOKENS,
            },
            "metrics": {"latencyMs": 1},
        }
    )


def _frame(name: str, payload: object) -> bytes:
    """An event as AWS frames it, with both checksums."""
    body = orjson.dumps(payload)
    headers = b"".join(
        bytes([len(key)]) + key + b"\x07" + struct.pack("!H", len(value)) + value
        for key, value in (
            (b":message-type", b"event"),
            (b":event-type", name.encode()),
            (b":content-type", b"application/json"),
        )
    )
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    whole = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + body
    return whole + struct.pack("!I", binascii.crc32(whole))


BEDROCK = Protocol(
    "application/vnd.amazon.eventstream",
    _converse_whole,
    _frame("messageStart", {"role": "assistant"}),
    lambda text: _frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}),
    _frame("contentBlockStop", {"contentBlockIndex": 0})
    + _frame("messageStop", {"stopReason": "end_turn"})
    + _frame(
        "metadata",
        {
            "usage": {
                "inputTokens": _TOKENS,
                "outputTokens": _TOKENS,
                "totalTokens": 2 * _TOKENS,
            },
            "metrics": {"latencyMs": 1},
        },
    ),
)
