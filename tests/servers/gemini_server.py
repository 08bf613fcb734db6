"""A real server on loopback that speaks Gemini's generateContent and plays what a test tells it to.

It refuses with a 400 what the installed ``google-genai`` package's own types do not allow, and what
the vendor documents beyond them. See ``openai_server`` for how to use it.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
from aiohttp import web
from google.genai import types
from pydantic import BaseModel, ValidationError
from typing_extensions import override

from tests.servers.openai_server import SECRET_IN_ERRORS, OpenAIServer, Play, event, serving

Json = Any

FIELDS: Final[Mapping[str, type[BaseModel]]] = {
    "systemInstruction": types.Content,
    "toolConfig": types.ToolConfig,
    "generationConfig": types.GenerationConfig,
}
LISTS: Final[Mapping[str, type[BaseModel]]] = {"contents": types.Content, "tools": types.Tool}
BATCHED: Final = frozenset({"model", "content", "outputDimensionality", "taskType", "title"})
BYPASS: Final = "skip_thought_signature_validator"


def answer(
    parts: Sequence[Json] = (), *, finish: str | None = None, counts: Json = None, **more: Json
) -> Json:
    """One piece of an answer, or a whole one, as the vendor writes it."""
    candidate: Json = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": counts or usage(),
        "modelVersion": "served-model",
        "responseId": "r-1",
        **more,
    }


def usage(input_tokens: int = 7, output_tokens: int = 3, **more: Json) -> Json:
    """Usage as the vendor writes it."""
    return {
        "promptTokenCount": input_tokens,
        "candidatesTokenCount": output_tokens,
        "totalTokenCount": input_tokens + output_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": input_tokens}],
        **more,
    }


def thought_part(text: str, signed: str | None = None) -> Json:
    """A part of reasoning."""
    part = {"text": text, "thought": True}
    return part if signed is None else {**part, "thoughtSignature": signed}


def call_part(call_id: str, name: str, arguments: Json, signed: str | None = None) -> Json:
    """A tool call."""
    part = {"functionCall": {"id": call_id, "name": name, "args": arguments}}
    return part if signed is None else {**part, "thoughtSignature": signed}


def pieces_of(part: Json, chunk_chars: int) -> Iterator[Json]:
    """A part as it is streamed: text in pieces, with the signature on the last."""
    if not part.get("text"):
        yield part
        return
    text, signed = part["text"], part.get("thoughtSignature")
    shared = {name: value for name, value in part.items() if name == "thought"}
    for start in range(0, len(text), chunk_chars):
        yield {"text": text[start : start + chunk_chars], **shared}
    if signed is not None:
        yield {"text": "", **shared, "thoughtSignature": signed}


def stream_of(
    parts: Sequence[Json], *, finish: str = "STOP", chunk_chars: int = 4, counts: Json = None
) -> bytes:
    """A whole streamed answer as bytes."""
    begun = [
        event(answer([piece], counts={"promptTokenCount": 7, "totalTokenCount": 7}))
        for part in parts
        for piece in pieces_of(part, chunk_chars)
    ]
    return b"".join([*begun, event(answer([{"text": ""}], finish=finish, counts=counts))])


def streamed(parts: Sequence[Json], *, finish: str = "STOP", chunk_chars: int = 4) -> Play:
    """Play an answer as a stream."""
    return Play([stream_of(parts, finish=finish, chunk_chars=chunk_chars)])


def whole(parts: Sequence[Json], *, finish: str = "STOP") -> Play:
    """Play an answer as one JSON object."""
    return Play([orjson.dumps(answer(parts, finish=finish))], content_type="application/json")


def error(status: str, code: int = 503) -> Json:
    """An error whose text quotes the request as providers' errors do."""
    return {"error": {"code": code, "message": f"{SECRET_IN_ERRORS} was wrong", "status": status}}


def error_answer(status: int) -> Play:
    """Play an error."""
    body = orjson.dumps(error("SOME_STATUS", status))
    return Play([body], status=status, content_type="application/json")


def last_text(body: Json) -> str:
    """The last text that a user said in a request."""
    texts = [
        part["text"]
        for said in body["contents"]
        if said["role"] == "user"
        for part in said["parts"]
        if "text" in part
    ]
    return texts[-1] if texts else ""


class GeminiServer(OpenAIServer):
    """The server's side of a test. Make one with ``gemini_server``."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = lambda body: streamed([{"text": last_text(body)}])

    @override
    def problems(self, request: web.Request, raw: bytes, body: Json) -> list[str]:
        if "key" in request.query:
            return ["this test wants the key in a header"]
        if request.path.endswith(":streamGenerateContent") and request.query.get("alt") != "sse":
            return ["this test wants server-sent events"]
        if request.path.endswith(":batchEmbedContents"):
            return batch_problems(request, body)
        return request_problems(body)


def batch_problems(request: web.Request, body: Json) -> list[str]:
    """What is wrong with a request for vectors.

    The package has no type for it; these are the names that its own client writes.
    """
    asked = body.get("requests") if isinstance(body, dict) and len(body) == 1 else None
    if not isinstance(asked, list) or not 1 <= len(asked) <= 100:
        return ["requests: at least 1 and at most 100 requests can be in one batch"]
    model = request.path.rpartition("/models/")[2].partition(":")[0]
    found = []
    for one in asked:
        found += [f"{name} is no field" for name in one.keys() - BATCHED]
        if one.get("model") != f"models/{model}":
            found.append("requests.model: must be the model of the address")
        if type(one.get("outputDimensionality", 1)) is not int:
            found.append("requests.outputDimensionality: must be a number")
        content = types.Content.model_validate_json(
            orjson.dumps(one["content"]), by_alias=True, by_name=False
        )
        if not content.parts or not all(part.text for part in content.parts):
            found.append("requests.content: the text must not be empty")
    return found


def vectors(*values: Sequence[float], **more: Json) -> Play:
    """Play vectors."""
    body = {"embeddings": [{"values": list(each)} for each in values], **more}
    return Play([orjson.dumps(body)], content_type="application/json")


def request_problems(body: Json) -> list[str]:
    """What is wrong with a request body by the vendor's own types and its documented rules."""
    if not isinstance(body, dict):
        return ["the body must be a JSON object"]
    found = [f"{name} is no field" for name in body.keys() - FIELDS.keys() - LISTS.keys()]
    if not isinstance(body.get("contents"), list):
        return [*found, "contents must be a list"]
    wanted = [(name, FIELDS[name], body[name]) for name in FIELDS if name in body]
    wanted += [(name, LISTS[name], each) for name in LISTS for each in body.get(name, [])]
    for name, kind, value in wanted:
        try:
            # By the names on the wire alone: the package's own are in another case.
            kind.model_validate_json(orjson.dumps(value), by_alias=True, by_name=False)
        except ValidationError as exc:
            found += [f"{name}.{each['loc']}: {each['msg']}" for each in exc.errors()]
    return found or [*_turn_problems(body["contents"]), *_option_problems(body)]


def _turn_problems(contents: list[Json]) -> Iterator[str]:
    """Rules of turns. Source: the vendor's pages on function calling and thought signatures."""
    if not contents or contents[0]["role"] != "user":
        yield "contents: the first turn must be of the user"
    asked: list[tuple[str, str]] = []
    for before, said in zip([None, *contents], contents, strict=False):
        parts, role = said["parts"], said["role"]
        if role not in ("user", "model") or (before is not None and before["role"] == role):
            yield "contents: please ensure that turns alternate between user and model"
        if not parts:
            yield "contents: parts must not be empty"
        if any(
            not part["text"] and "thoughtSignature" not in part for part in parts if "text" in part
        ):
            yield "contents: a part must hold something"
        results = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if sorted((each["id"], each["name"]) for each in results) != sorted(asked):
            yield "please ensure that function response parts match the calls of the turn before"
        calls = [part for part in parts if "functionCall" in part]
        if calls and (role != "model" or "thoughtSignature" not in calls[0]):
            yield "Function call is missing a thought_signature in functionCall parts."
        asked = [(each["functionCall"]["id"], each["functionCall"]["name"]) for each in calls]


def _option_problems(body: Json) -> Iterator[str]:
    config = body.get("generationConfig", {})
    thinking = config.get("thinkingConfig", {})
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    if not 0 <= config.get("temperature", 1) <= 2:
        yield "generationConfig.temperature: must be in the range [0.0, 2.0]"
    if len(config.get("stopSequences", [])) > 5 or not all(config.get("stopSequences", [])):
        yield "generationConfig.stopSequences: at most 5, none empty"
    if "thinkingLevel" in thinking and "thinkingBudget" in thinking:
        yield "You can only set only one of thinking budget and thinking level."
    if thinking.get("thinkingBudget", 0) > 24_576:
        yield "The thinking budget is out of range."
    if thinking.get("thinkingLevel", "LOW") not in ("MINIMAL", "LOW", "MEDIUM", "HIGH"):
        yield "generationConfig.thinkingConfig.thinkingLevel: invalid value"
    if "responseJsonSchema" in config and config.get("responseMimeType") != "application/json":
        yield "response_json_schema needs response_mime_type application/json"
    if calling.get("mode", "AUTO") not in ("AUTO", "ANY", "NONE", "VALIDATED"):
        yield "functionCallingConfig.mode: invalid value"
    if calling and not body.get("tools"):
        yield "Function calling config is set without function_declarations."
    if "allowedFunctionNames" in calling and calling["mode"] not in ("ANY", "VALIDATED"):
        yield "allowed_function_names needs mode ANY"


@contextlib.asynccontextmanager
async def gemini_server(prefix: str = "/v1beta") -> AsyncIterator[GeminiServer]:
    """A server in the running loop, on a free port of loopback."""
    calls = ("generateContent", "streamGenerateContent", "batchEmbedContents")
    paths = [f"{prefix}/models/{{model}}:{call}" for call in calls]
    async with serving(GeminiServer(), *paths) as server:
        server.base_url += prefix
        yield server
