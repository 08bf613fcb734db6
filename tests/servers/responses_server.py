"""A real server on loopback that speaks OpenAI's Responses and plays what a test tells it to.

It refuses with a 400 what the installed ``openai`` package's own request types do not allow, and
what the vendor documents beyond them. See ``openai_server`` for how to use it.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import pairwise
from typing import Any

import orjson
from aiohttp import web
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from typing_extensions import override

from tests.servers.openai_server import SECRET_IN_ERRORS, OpenAIServer, Play, serving
from tests.servers.wire_types import problems

Json = Any
Event = tuple[str, dict[str, Json]]
"""The type of an event, and its fields but for the number."""


def usage(**more: Json) -> Json:
    """Usage as the vendor writes it."""
    return {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 10,
        **more,
    }


def response(
    output: Sequence[Json] = (),
    *,
    status: str = "completed",
    reason: str | None = None,
    **more: Json,
) -> Json:
    """A response as the vendor writes it; it repeats the request."""
    return {
        "id": "resp_01",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": status,
        "background": False,
        "billing": {"payer": "developer"},
        "error": None,
        "incomplete_details": None if reason is None else {"reason": reason},
        "instructions": "You are a helpful assistant.",
        "max_output_tokens": None,
        "model": "served-model",
        "output": list(output),
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": "medium", "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None if status == "in_progress" else usage(),
        "user": None,
        "metadata": {},
        **more,
    }


def text_item(text: str, **more: Json) -> Json:
    """A message of one text."""
    return message_item(
        {"type": "output_text", "text": text, "annotations": [], "logprobs": []}, **more
    )


def message_item(*parts: Json, **more: Json) -> Json:
    """A message."""
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": list(parts),
        **more,
    }


def reasoning_item(*texts: str, signed: str | None) -> Json:
    """Reasoning: its summaries, and what is encrypted."""
    made: Json = {
        "id": "rs_01",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text} for text in texts],
    }
    return made if signed is None else {**made, "encrypted_content": signed}


def call_item(call_id: str, name: str, arguments: str, **more: Json) -> Json:
    """A tool call; ``arguments`` is JSON."""
    return {
        "id": f"fc_{call_id}",
        "type": "function_call",
        "status": "completed",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        **more,
    }


def picture_item(data: str) -> Json:
    """A picture that the provider drew, as PNG in base64."""
    return {
        "id": "ig_01",
        "type": "image_generation_call",
        "status": "completed",
        "result": data,
        "output_format": "png",
        "revised_prompt": "What was asked for, in more words.",
        "background": "opaque",
        "quality": "low",
        "size": "1024x1024",
        "action": "generate",
    }


def item_events(at: int, item: Json, *, chunk_chars: int = 4) -> Iterator[Event]:
    """An item as it is streamed."""
    place: Json = {"item_id": item["id"], "output_index": at}
    begun = {**item, "status": "in_progress"}
    inside: list[Event] = []
    if item["type"] == "message":
        begun["content"] = []
        for index, part in enumerate(item["content"]):
            inside += _part_events({**place, "content_index": index}, part, chunk_chars)
    elif item["type"] == "reasoning":
        begun = {"id": item["id"], "type": "reasoning", "summary": [], "encrypted_content": "half"}
        for index, part in enumerate(item["summary"]):
            inside += _summary_events({**place, "summary_index": index}, part, chunk_chars)
        for index, part in enumerate(item.get("content") or ()):
            within = {**place, "content_index": index}
            for piece in pieces(part["text"], chunk_chars):
                inside.append(("response.reasoning_text.delta", {**within, "delta": piece}))
            inside.append(("response.reasoning_text.done", {**within, "text": part["text"]}))
    elif item["type"] == "image_generation_call":
        begun = {"id": item["id"], "type": item["type"], "status": "in_progress", "result": None}
        for word in ("in_progress", "generating", "completed"):
            inside.append((f"response.image_generation_call.{word}", place))
    else:
        begun["arguments"] = ""
        for piece in pieces(item["arguments"], chunk_chars):
            more = {**place, "delta": piece, "obfuscation": "x7"}
            inside.append(("response.function_call_arguments.delta", more))
        whole = {**place, "name": item["name"], "arguments": item["arguments"]}
        inside.append(("response.function_call_arguments.done", whole))
    yield "response.output_item.added", {"output_index": at, "item": begun}
    yield from inside
    yield "response.output_item.done", {"output_index": at, "item": item}


def _part_events(place: Json, part: Json, chunk_chars: int) -> Iterator[Event]:
    kind = part["type"].removeprefix("output_text") or "output_text"
    name = "text" if kind == "output_text" else "refusal"
    extra: Json = {"logprobs": []} if kind == "output_text" else {}
    begun = {**part, name: ""} | ({"annotations": []} if kind == "output_text" else {})
    yield "response.content_part.added", {**place, "part": begun}
    for piece in pieces(part[name], chunk_chars):
        more = {**place, **extra, "delta": piece, "obfuscation": "q1Yx"}
        yield f"response.{kind}.delta", more
    for number, annotation in enumerate(part.get("annotations", ())):
        cited = {**place, "annotation_index": number, "annotation": annotation}
        yield "response.output_text.annotation.added", cited
    yield f"response.{kind}.done", {**place, **extra, name: part[name]}
    yield "response.content_part.done", {**place, "part": part}


def _summary_events(place: Json, part: Json, chunk_chars: int) -> Iterator[Event]:
    begun = {**part, "text": ""}
    yield "response.reasoning_summary_part.added", {**place, "part": begun}
    for piece in pieces(part["text"], chunk_chars):
        more = {**place, "delta": piece, "obfuscation": "q1Yx"}
        yield "response.reasoning_summary_text.delta", more
    yield "response.reasoning_summary_text.done", {**place, "text": part["text"]}
    yield "response.reasoning_summary_part.done", {**place, "part": part}


def pieces(text: str, chars: int) -> list[str]:
    """A text in pieces."""
    return [text[start : start + chars] for start in range(0, len(text), chars)]


def begin_events() -> list[Event]:
    """How a stream begins."""
    begun = response(status="in_progress")
    return [
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
    ]


def end_event(output: Sequence[Json], *, reason: str | None = None, **more: Json) -> Event:
    """How a stream ends."""
    status = "completed" if reason is None else "incomplete"
    ended = response(output, status=status, reason=reason, **more)
    return f"response.{status}", {"response": ended}


def numbered(events: Sequence[Event]) -> list[bytes]:
    """Events as bytes, with their names and numbers."""
    return [
        f"event: {kind}\n".encode()
        + b"data: "
        + orjson.dumps({"type": kind, "sequence_number": number, **fields})
        + b"\n\n"
        for number, (kind, fields) in enumerate(events)
    ]


def stream_of(
    output: Sequence[Json], *, reason: str | None = None, chunk_chars: int = 4, **more: Json
) -> bytes:
    """A whole streamed response as bytes; ``more`` goes into its end."""
    events = begin_events()
    for at, item in enumerate(output):
        events += item_events(at, item, chunk_chars=chunk_chars)
    return b"".join(numbered([*events, end_event(output, reason=reason, **more)]))


def streamed(output: Sequence[Json], *, reason: str | None = None) -> Play:
    """Play a response as a stream."""
    return Play([stream_of(output, reason=reason)])


def whole(output: Sequence[Json], *, reason: str | None = None) -> Play:
    """Play a response as one JSON object."""
    status = "completed" if reason is None else "incomplete"
    body = orjson.dumps(response(output, status=status, reason=reason))
    return Play([body], content_type="application/json")


def error_event(code: str | None, *, kind: str = "server_error", is_flat: bool = False) -> bytes:
    """An error inside a stream, as documented (``is_flat``) or as the vendor's servers send it."""
    error = {"code": code, "message": f"{SECRET_IN_ERRORS} was wrong", "param": None}
    fields = error if is_flat else {"error": {"type": kind, **error}}
    value = {"type": "error", "sequence_number": 9, **fields}
    return b"event: error\ndata: " + orjson.dumps(value) + b"\n\n"


def failed_event(code: str) -> bytes:
    """The end of a response that failed."""
    error = {"code": code, "message": f"{SECRET_IN_ERRORS} was wrong"}
    return numbered([("response.failed", {"response": response(status="failed", error=error)})])[0]


def last_text(body: Json) -> str:
    """The last text that a user said in a request."""
    texts = [
        part["text"]
        for item in body["input"]
        if item.get("role") == "user"
        for part in item["content"]
        if part["type"] == "input_text"
    ]
    return texts[-1] if texts else ""


class ResponsesServer(OpenAIServer):
    """The server's side of a test. Make one with ``responses_server``."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = lambda body: streamed([text_item(last_text(body))])

    @override
    def problems(self, request: web.Request, raw: bytes, body: Json) -> list[str]:
        return request_problems(body)


def request_problems(body: Json) -> list[str]:
    """What is wrong with a request body by the vendor's own types and its documented rules."""
    if not isinstance(body, dict):
        return ["the body must be a JSON object"]
    wanted = (
        ResponseCreateParamsStreaming if body.get("stream") else ResponseCreateParamsNonStreaming
    )
    typed = dict(body)
    if isinstance(body.get("input"), list):
        typed["input"] = [_with_id(item) for item in body["input"]]
    return problems(typed, wanted, "body") or [
        *_item_problems(body["input"]),
        *_option_problems(body),
    ]


def _with_id(item: Json) -> Json:
    """The item with the id and status that the types want of what the assistant said.

    The vendor's own client (Codex) sends neither, and its servers take none but what they gave.
    """
    is_own = item.get("type") == "reasoning" or item.get("role") == "assistant"
    return {"id": "own_01", "status": "completed", **item} if is_own else item


def _item_problems(items: list[Json]) -> Iterator[str]:
    """Rules of items.

    Source: the vendor's pages on conversation state, reasoning and function calling, and the errors
    that its users quote.
    """
    for item, after in pairwise([*items, {}]):
        if item["type"] == "reasoning":
            yield from _reasoning_problems(item, after)
        elif item["type"] == "message" and not item["content"]:
            yield "content: must not be empty"
        held = item.get("content", item.get("output"))
        yield from _media_problems(held if isinstance(held, list) else [])
    asked = [each["call_id"] for each in items if each["type"] == "function_call"]
    answered = [each["call_id"] for each in items if each["type"] == "function_call_output"]
    if sorted(asked) != sorted(answered):
        yield "No tool output found for function call, or no call for an output"


def _reasoning_problems(item: Json, after: Json) -> Iterator[str]:
    leads_to = after.get("type") in ("reasoning", "function_call")
    if not leads_to and after.get("role") != "assistant":
        yield "Item of type 'reasoning' was provided without its required following item."
    if "id" in item:
        yield "Encrypted content item_id did not match the target item id."
    if not item.get("encrypted_content"):
        yield "Item not found. Items are not persisted when `store` is set to false."


def _media_problems(parts: list[Json]) -> Iterator[str]:
    for part in parts:
        if part["type"] == "input_image" and not part.get("image_url", "").startswith(
            ("data:image/", "https://")
        ):
            yield "Invalid image_url: expected a valid URL"
        if part["type"] == "input_file" and ("file_data" in part) != ("filename" in part):
            yield "input_file: file_data goes with filename"


def _option_problems(body: Json) -> Iterator[str]:
    if body.get("store") is not False:
        yield "store: this organization keeps nothing, so say false"
    if body.get("max_output_tokens", 16) < 16:
        yield "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16"
    if body.get("tool_choice", "none") not in ("none", "auto") and not body.get("tools"):
        yield "Tool choice must be specified while using tools"


@contextlib.asynccontextmanager
async def responses_server() -> AsyncIterator[ResponsesServer]:
    """A server in the running loop, on a free port of loopback, also at Azure's address."""
    paths = ("/v1/responses", "/openai/v1/responses")
    async with serving(ResponsesServer(), *paths) as server:
        server.base_url += "/v1"
        yield server
