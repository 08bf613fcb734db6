"""A real server on loopback that speaks Bedrock's Converse and plays what a test tells it to.

It refuses with a 400 what ``botocore``'s own model of the service does not allow, what the vendor
documents beyond it, and a signature that is not the one of the keys below. See ``openai_server``
for how to use it.
"""

import base64
import binascii
import contextlib
import functools
import struct
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import orjson
from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import Session
from botocore.validate import ParamValidator
from typing_extensions import override

from tests.servers.openai_server import SECRET_IN_ERRORS, OpenAIServer, Play, serving

Json = Any

REGION = "eu-central-1"
ACCESS_KEY = "AKIDEXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI-very-secret"  # noqa: S105  # of a fake
SESSION_TOKEN = "token-of-a-session"  # noqa: S105  # of a fake
API_KEY = "bedrock-api-key-very-secret"
STREAM = "application/vnd.amazon.eventstream"


def frame(name: str, payload: Json, *, kind: str = "event") -> bytes:
    """One framed event.

    Source: the specification of ``application/vnd.amazon.eventstream`` in Smithy's documents.
    """
    names = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}
    said = {":message-type": kind, names[kind]: name, ":content-type": "application/json"}
    headers = b"".join(
        bytes([len(key)]) + key.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
        for key, value in said.items()
    )
    body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    whole = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + body
    return whole + struct.pack("!I", binascii.crc32(whole))


def padded(name: str, payload: dict[str, Json]) -> bytes:
    """One event with the padding that the service adds."""
    return frame(name, {**payload, "p": "abcdefghijk"})


def text_block(text: str) -> Json:
    """A block of text."""
    return {"text": text}


def thinking_block(text: str, signature: str) -> Json:
    """A block of reasoning."""
    return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}


def call_block(call_id: str, name: str, arguments: Json) -> Json:
    """A tool call."""
    return {"toolUse": {"toolUseId": call_id, "name": name, "input": arguments}}


def block_events(index: int, block: Json, *, chunk_chars: int = 4) -> Iterator[bytes]:
    """A block as it is streamed: of text and reasoning the service says no beginning."""

    def delta(value: Json) -> bytes:
        return padded("contentBlockDelta", {"contentBlockIndex": index, "delta": value})

    if "text" in block:
        for piece in pieces(block["text"], chunk_chars):
            yield delta({"text": piece})
    elif "reasoningContent" in block:
        said = block["reasoningContent"].get("reasoningText")
        if said is None:
            yield delta({"reasoningContent": block["reasoningContent"]})
        else:
            for piece in pieces(said["text"], chunk_chars):
                yield delta({"reasoningContent": {"text": piece}})
            yield delta({"reasoningContent": {"signature": said["signature"]}})
    elif "image" in block:
        start = {"image": {"format": block["image"]["format"]}}
        yield padded("contentBlockStart", {"contentBlockIndex": index, "start": start})
        yield delta({"image": {"source": block["image"]["source"]}})
    else:
        call = block["toolUse"]
        start = {"toolUse": {"toolUseId": call["toolUseId"], "name": call["name"]}}
        yield padded("contentBlockStart", {"contentBlockIndex": index, "start": start})
        arguments = orjson.dumps(call["input"]).decode() if call["input"] else ""
        for piece in pieces(arguments, chunk_chars):
            yield delta({"toolUse": {"input": piece}})
    yield padded("contentBlockStop", {"contentBlockIndex": index})


def pieces(text: str, chars: int) -> list[str]:
    """A text in pieces."""
    return [text[start : start + chars] for start in range(0, len(text), chars)]


def usage(**more: int) -> dict[str, int]:
    """Usage as the vendor writes it."""
    return {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10, **more}


BEGIN = padded("messageStart", {"role": "assistant"})


def stream_of(content: Sequence[Json], *, stop: str = "end_turn", chunk_chars: int = 4) -> bytes:
    """A whole streamed answer as bytes."""
    blocks = [
        event
        for index, block in enumerate(content)
        for event in block_events(index, block, chunk_chars=chunk_chars)
    ]
    last = {"usage": usage(), "metrics": {"latencyMs": 551}}
    end = [padded("messageStop", {"stopReason": stop}), padded("metadata", last)]
    return b"".join([BEGIN, *blocks, *end])


def answer(content: Sequence[Json], *, stop: str = "end_turn", **more: Json) -> Json:
    """An answer as one JSON object."""
    return {
        "output": {"message": {"role": "assistant", "content": list(content)}},
        "stopReason": stop,
        "usage": usage(),
        "metrics": {"latencyMs": 551},
        **more,
    }


def streamed(content: Sequence[Json], *, stop: str = "end_turn", chunk_chars: int = 4) -> Play:
    """Play an answer as a stream."""
    return Play([stream_of(content, stop=stop, chunk_chars=chunk_chars)], content_type=STREAM)


def whole(content: Sequence[Json], *, stop: str = "end_turn") -> Play:
    """Play an answer as one JSON object."""
    return Play([orjson.dumps(answer(content, stop=stop))], content_type="application/json")


def exception(name: str) -> bytes:
    """An exception inside a stream, whose text quotes the request as providers' errors do."""
    return frame(name, {"message": f"{SECRET_IN_ERRORS} was wrong"}, kind="exception")


def error_answer(status: int, *, headers: Mapping[str, str] | None = None) -> Play:
    """Play an error."""
    return Play(
        [orjson.dumps({"message": f"{SECRET_IN_ERRORS} was wrong"})],
        status=status,
        content_type="application/json",
        headers={"x-amzn-errortype": "SomeException", **(headers or {})},
    )


def last_text(body: Json) -> str:
    """The last text that a user said in a request."""
    said = [each["content"] for each in body["messages"] if each["role"] == "user"]
    texts = [block["text"] for content in said for block in content if "text" in block]
    return texts[-1] if texts else ""


class BedrockServer(OpenAIServer):
    """The server's side of a test. Make one with ``bedrock_server``."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = lambda body: streamed([text_block(last_text(body))])

    @override
    def problems(self, request: web.Request, raw: bytes, body: Json) -> list[str]:
        model = unquote(request.raw_path.split("/")[2])
        return [*credential_problems(request, raw), *request_problems(body, model=model)]


def credential_problems(request: web.Request, raw: bytes) -> list[str]:
    """What is wrong with how a request proves who asks."""
    said = request.headers.get("authorization", "")
    if said == f"Bearer {API_KEY}":
        return []
    scheme, _, rest = said.partition(" ")
    if scheme != "AWS4-HMAC-SHA256":
        return ["MissingAuthenticationToken"]
    fields = dict(each.split("=", 1) for each in rest.split(", "))
    signed = {name: request.headers[name] for name in fields["SignedHeaders"].split(";")}
    token = request.headers.get("x-amz-security-token")
    if "x-amz-date" not in signed or (token is not None and "x-amz-security-token" not in signed):
        return ["a header that must be signed is not"]
    url = f"{request.scheme}://{request.host}{request.raw_path}"
    again = AWSRequest("POST", url, data=raw, headers=signed)
    again.context["timestamp"] = signed["x-amz-date"]
    signer = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "bedrock", REGION)
    wanted = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
    if fields["Credential"] != signer.scope(again) or fields["Signature"] != wanted:
        return ["The request signature we calculated does not match the signature you provided."]
    return []


@functools.cache
def _input_shape() -> Any:  # noqa: ANN401  # the package has no types
    return Session().get_service_model("bedrock-runtime").operation_model("Converse").input_shape


def request_problems(body: Json, *, model: str = "some-model") -> list[str]:
    """What is wrong with a request body by the vendor's own model and its documented rules."""
    if not isinstance(body, dict):
        return ["the body must be a JSON object"]
    shape = _input_shape()
    found = list(_unknown(body, shape, "body"))
    if found:
        return found
    report = ParamValidator().validate({**_decoded(body, shape), "modelId": model}, shape)
    return [report.generate_report()] if report.has_errors() else list(_rule_problems(body))


def _unknown(value: Json, shape: Any, where: str) -> Iterator[str]:  # noqa: ANN401  # as above
    """Fields that the service does not name, which its validator lets pass."""
    if shape.type_name == "structure" and not shape.metadata.get("document"):
        if not isinstance(value, dict):
            yield f"{where} must be an object"
            return
        if getattr(shape, "is_tagged_union", False) and len(value) != 1:
            yield f"{where} must hold one thing"
        for name, field in value.items():
            if name in shape.members:
                yield from _unknown(field, shape.members[name], f"{where}.{name}")
            else:
                yield f"{where}.{name} is no field of this request"
    elif shape.type_name == "list" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(item, shape.member, f"{where}[{index}]")
    elif shape.type_name == "string" and getattr(shape, "enum", None) and value not in shape.enum:
        yield f"{where} must be one of {shape.enum}"


def _decoded(value: Json, shape: Any) -> Json:  # noqa: ANN401  # as above
    """The body with its bytes as bytes."""
    if shape.type_name == "structure" and isinstance(value, dict) and shape.members:
        return {name: _decoded(field, shape.members[name]) for name, field in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_decoded(item, shape.member) for item in value]
    if shape.type_name == "blob":
        return base64.b64decode(value, validate=True)
    return value


def _rule_problems(body: Json) -> Iterator[str]:
    """Rules of turns. Source: the vendor's pages on Converse and on tool use."""
    messages = body["messages"]
    if not messages or messages[0]["role"] != "user":
        yield "A conversation must start with a user message."
    asked: list[str] = []
    names: list[str] = []
    for before, said in zip([None, *messages], messages, strict=False):
        blocks = said["content"]
        if before is not None and before["role"] == said["role"]:
            yield "A conversation must alternate between user and assistant roles."
        if not blocks or any(not block["text"].strip() for block in blocks if "text" in block):
            yield "The text field in the ContentBlock object is blank."
        results = [block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block]
        if sorted(results) != sorted(asked):
            yield "Expected toolResult blocks for the toolUse blocks of the previous turn."
        asked = [block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block]
        if (asked or results) and "toolConfig" not in body:
            yield "The toolConfig field must be defined when using toolUse and toolResult blocks."
        found = [block["document"]["name"] for block in blocks if "document" in block]
        names += found
        if found and not any("text" in block for block in blocks):
            yield "A text block is required when using documents."
    if len(names) != len(set(names)):
        yield "Messages contain duplicate document names."


@contextlib.asynccontextmanager
async def bedrock_server() -> AsyncIterator[BedrockServer]:
    """A server in the running loop, on a free port of loopback."""
    paths = [f"/model/{{model}}/{call}" for call in ("converse", "converse-stream")]
    async with serving(BedrockServer(), *paths) as server:
        yield server
