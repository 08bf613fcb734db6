"""A real server on loopback that speaks Anthropic Messages and plays what a test tells it to.

It refuses with a 400 what the installed ``anthropic`` package's own request types do not allow, and
what the vendor documents beyond them. See ``openai_server`` for how to use it.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import orjson
from aiohttp import web
from anthropic.types.message_create_params import (
    MessageCreateParamsNonStreaming,
    MessageCreateParamsStreaming,
)
from typing_extensions import override

from tests.servers.openai_server import SECRET_IN_ERRORS, OpenAIServer, Play, serving
from tests.servers.wire_types import problems

Json = Any

VERSIONS = ("2026-10-21", "2023-06-01")
SAMPLING = ("temperature", "top_p", "top_k")


def named(kind: str, **fields: Json) -> bytes:
    """One event of a stream, with its name and its type."""
    value = {"type": kind, **fields}
    return f"event: {kind}\n".encode() + b"data: " + orjson.dumps(value) + b"\n\n"


def usage(input_tokens: int = 7, output_tokens: int = 3, **more: Json) -> dict[str, Json]:
    """Usage as the vendor writes it."""
    return {
        "input_tokens": input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output_tokens,
        "service_tier": "standard",
        "inference_geo": "not_available",
        **more,
    }


def message(content: Sequence[Json] = (), *, stop: str | None = None, **more: Json) -> Json:
    """A message as the vendor writes it."""
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "served-model",
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "stop_details": None,
        "usage": usage(),
        **more,
    }


def text_block(text: str) -> Json:
    """A block of text."""
    return {"type": "text", "text": text, "citations": None}


def thinking_block(thinking: str, signature: str) -> Json:
    """A block of reasoning."""
    return {"type": "thinking", "thinking": thinking, "signature": signature}


def call_block(call_id: str, name: str, arguments: Json) -> Json:
    """A tool call."""
    return {
        "type": "tool_use",
        "id": call_id,
        "name": name,
        "input": arguments,
        "caller": {"type": "direct"},
    }


def block_events(index: int, block: Json, *, chunk_chars: int = 4) -> Iterator[bytes]:
    """A block as it is streamed."""

    def delta(**fields: Json) -> bytes:
        return named("content_block_delta", index=index, delta=fields)

    begun = dict(block)
    deltas: list[bytes] = []
    match block["type"]:
        case "text":
            begun["text"] = ""
            deltas = [delta(type="text_delta", text=t) for t in pieces(block["text"], chunk_chars)]
        case "thinking":
            begun |= {"thinking": "", "signature": ""}
            thoughts = pieces(block["thinking"], chunk_chars)
            deltas = [delta(type="thinking_delta", thinking=t) for t in thoughts]
            deltas.append(delta(type="signature_delta", signature=block["signature"]))
        case "tool_use":
            begun["input"] = {}
            arguments = orjson.dumps(block["input"]).decode() if block["input"] else ""
            for piece in ["", *pieces(arguments, chunk_chars)]:
                deltas.append(delta(type="input_json_delta", partial_json=piece))
        case _:
            pass
    yield named("content_block_start", index=index, content_block=begun)
    yield from deltas
    yield named("content_block_stop", index=index)


def pieces(text: str, chars: int) -> list[str]:
    """A text in pieces."""
    return [text[start : start + chars] for start in range(0, len(text), chars)]


def stream_of(
    content: Sequence[Json], *, stop: str = "end_turn", chunk_chars: int = 4, **more: Json
) -> bytes:
    """A whole streamed message as bytes; ``more`` goes into the last usage."""
    return b"".join(
        [
            named("message_start", message=message(usage=usage(output_tokens=1))),
            named("ping"),
            *(
                event
                for index, block in enumerate(content)
                for event in block_events(index, block, chunk_chars=chunk_chars)
            ),
            named(
                "message_delta",
                delta={"stop_reason": stop, "stop_sequence": None, "stop_details": None},
                usage={"input_tokens": 7, "output_tokens": 3, **more},
            ),
            named("message_stop"),
        ]
    )


def streamed(content: Sequence[Json], *, stop: str = "end_turn", chunk_chars: int = 4) -> Play:
    """Play a message as a stream."""
    return Play([stream_of(content, stop=stop, chunk_chars=chunk_chars)])


def whole(content: Sequence[Json], *, stop: str = "end_turn", **more: Json) -> Play:
    """Play a message as one JSON object."""
    body = orjson.dumps(message(content, stop=stop, **more))
    return Play([body], content_type="application/json")


def error_event(kind: str) -> bytes:
    """An error inside a stream, whose text quotes the request as providers' errors do."""
    return named("error", error={"type": kind, "message": f"{SECRET_IN_ERRORS} was wrong"})


def error_answer(status: int, *, headers: Mapping[str, str] | None = None) -> Play:
    """Play an error."""
    error = {"type": "some_error", "message": f"{SECRET_IN_ERRORS} was wrong"}
    return Play(
        [orjson.dumps({"type": "error", "error": error, "request_id": "req_1"})],
        status=status,
        content_type="application/json",
        headers=headers or {},
    )


def last_text(body: Json) -> str:
    """The last text that a user said in a request."""
    texts = [
        block["text"]
        for said in body["messages"]
        if said["role"] == "user"
        for block in said["content"]
        if block["type"] == "text"
    ]
    return texts[-1] if texts else ""


class AnthropicServer(OpenAIServer):
    """The server's side of a test. Make one with ``anthropic_server``."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = lambda body: streamed([text_block(last_text(body))])

    @override
    def problems(self, request: web.Request, raw: bytes, body: Json) -> list[str]:
        version = request.headers.get("anthropic-version")
        if version not in VERSIONS:
            return ["anthropic-version: header is required"]
        return request_problems(body, version=version)


def request_problems(body: Json, *, version: str = VERSIONS[0]) -> list[str]:
    """What is wrong with a request body by the vendor's own types and its documented rules."""
    if not isinstance(body, dict):
        return ["the body must be a JSON object"]
    wanted = MessageCreateParamsStreaming if body.get("stream") else MessageCreateParamsNonStreaming
    typed = dict(body)
    if version == "2023-06-01":
        # The package's types are those of the newer version, which has no sampling parameters.
        sampled = {name: typed.pop(name) for name in SAMPLING if name in typed}
        found = [f"body.{name} must be a number" for name, n in sampled.items() if not _number(n)]
    else:
        found = []
    found += problems(typed, wanted, "body")
    return found or [*_message_problems(body["messages"]), *_option_problems(body)]


def _number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _message_problems(messages: list[Json]) -> Iterator[str]:
    """Rules of turns.

    Source: the vendor's pages on errors, on how to implement tool use and on extended thinking.
    """
    if not messages:
        yield "messages: at least one message is required"
    elif messages[0]["role"] != "user":
        yield "messages: first message must use the user role"
    asked: set[str] = set()
    for index, said in enumerate(messages):
        where = f"messages.{index}"
        blocks = said["content"]
        if not blocks:
            yield f"{where}: all messages must have non-empty content"
        if any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            yield f"{where}: text content blocks must contain non-whitespace text"
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if any(block["type"] == "tool_result" for block in blocks[len(results) :]):
            yield f"{where}: tool_result blocks must come first"
        if set(results) != asked:
            yield f"{where}: tool_use ids without tool_result blocks, or the other way round"
        thoughts = [block["type"] in ("thinking", "redacted_thinking") for block in blocks]
        if any(thoughts) and (said["role"] != "assistant" or not thoughts[0]):
            yield f"{where}: thinking must come first in an assistant's turn"
        asked = {block["id"] for block in blocks if block["type"] == "tool_use"}
        if said["role"] != "assistant" and asked:
            yield f"{where}: tool_use blocks can only be in assistant messages"


def _option_problems(body: Json) -> Iterator[str]:
    thinking = body.get("thinking", {})
    choice = body.get("tool_choice", {})
    if body["max_tokens"] < 1:
        yield "max_tokens: must be positive"
    if not 0 <= body.get("temperature", 1) <= 1:
        yield "temperature: range: 0..1"
    if thinking.get("type") == "enabled":
        if not 1024 <= thinking["budget_tokens"] < body["max_tokens"]:
            yield "thinking.budget_tokens: at least 1024 and less than max_tokens"
        if choice.get("type") in ("any", "tool"):
            yield "Thinking may not be enabled when tool_choice forces tool use."
        if body.get("temperature", 1) != 1 or "top_k" in body:
            yield "temperature may only be set to 1 when thinking is enabled"
    if choice and not body.get("tools"):
        yield "tool_choice may only be specified while providing tools."
    if any(tool["input_schema"].get("type") != "object" for tool in body.get("tools", ())):
        yield "tools: input_schema.type must be 'object'"
    if any(not stop.strip() for stop in body.get("stop_sequences", ())):
        yield "stop_sequences: each stop sequence must contain non-whitespace"


@contextlib.asynccontextmanager
async def anthropic_server() -> AsyncIterator[AnthropicServer]:
    """A server in the running loop, on a free port of loopback."""
    async with serving(AnthropicServer(), "/v1/messages") as server:
        server.base_url += "/v1"
        yield server
