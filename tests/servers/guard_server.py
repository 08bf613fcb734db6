"""A real server on loopback that answers what detectors ask outside, and refuses what is malformed.

Webhooks are checked by the reference implementation of Standard Webhooks and against the format
``banneton.guard/1`` as its page has it, all others against what OpenAI, vLLM and TEI document.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypedDict

import orjson
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from tests.servers.wire_types import problems

Json = Any
SECRET = "whsec_" + "c2l4dGVlbiBieXRlcyBhbmQgbW9yZSBvZiB0aGVt"
API_KEY = "sk-of-the-service"


class GuardRequest(TypedDict):
    """A request of ``banneton.guard/1``."""

    version: Literal["banneton.guard/1"]
    stage: Literal["input", "tool_result", "tool_call", "output"]
    text: str
    question: NotRequired[str]
    tool: NotRequired[str]


class ModerationRequest(TypedDict):
    """As OpenAI documents it for one text, with the model named."""

    model: str
    input: str


class VllmRequest(TypedDict):
    """Of vLLM's and SGLang's classification."""

    model: str
    input: list[str]


class TeiRequest(TypedDict):
    """Of Text Embeddings Inference, several texts at once."""

    inputs: list[list[str]]
    truncate: NotRequired[bool]
    raw_scores: NotRequired[bool]


SHAPES: Mapping[str, Any] = {
    "/guard": GuardRequest,
    "/v1/moderations": ModerationRequest,
    "/classify": VllmRequest,
    "/predict": TeiRequest,
}


@dataclass(frozen=True)
class Reply:
    """What to answer to one request."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    waits: bool = False
    """Say nothing at all."""


def json_reply(value: Json) -> Reply:
    """A JSON value."""
    return Reply(orjson.dumps(value))


class GuardServer:
    """The server's side of a test. Make one with ``guard_server``."""

    def __init__(self) -> None:
        self.answer: Callable[[Json], Reply] = lambda _body: json_reply({})
        """What to answer to a body that is well formed."""
        self.requests: list[Json] = []
        """The bodies that came, also those that were refused."""
        self.headers: list[Mapping[str, str]] = []
        self.base_url = ""

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer one HTTP request."""
        raw = await request.read()
        body = orjson.loads(raw)
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        wrong = problems(body, SHAPES[request.path], "body")
        if request.content_type != "application/json":
            wrong.append("the body must be said to be JSON")
        if wrong:
            return web.json_response({"error": wrong}, status=400)
        if not _is_allowed(request, raw):
            return web.json_response({"error": "who are you?"}, status=401)
        reply = self.answer(body)
        if reply.waits:
            await asyncio.Event().wait()
        return web.Response(
            body=reply.body,
            status=reply.status,
            content_type=reply.content_type,
            headers=dict(reply.headers),
        )


def _is_allowed(request: web.Request, raw: bytes) -> bool:
    if request.path != "/guard":
        return request.headers.get("authorization") == f"Bearer {API_KEY}"
    try:
        Webhook(SECRET).verify(raw, dict(request.headers))
    except WebhookVerificationError:
        return False
    return True


@contextlib.asynccontextmanager
async def guard_server() -> AsyncIterator[GuardServer]:
    """A server in the running loop, on a free port of loopback."""
    server = GuardServer()
    app = web.Application()
    for path in SHAPES:
        app.router.add_post(path, server.respond)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()
