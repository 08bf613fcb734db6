"""A real OpenAI-compatible server on loopback that plays what a test tells it to.

It refuses with a 400 what the installed ``openai`` package's own request types do not allow, so
that a test which passes here has sent what the vendor documents. It remembers every request.

In an async test::

    async with openai_server() as server:
        server.play(text_answer("Hello"))
        ... ask ``server.base_url`` with any client ...
        assert server.requests[0].body["model"] == "m"

In a test that is not async, and for a gateway that runs in a process of its own, use
``openai_server_in_thread`` the same way. A ``Play`` answers one request; when none is left,
``server.answer`` decides, which by default repeats the last user message.
"""

import asyncio
import contextlib
import itertools
import random
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from aiohttp import web
from openai.types import EmbeddingCreateParams
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from openai.types.image_generate_params import ImageGenerateParamsNonStreaming

from tests.servers.images import PIXEL, edit_problems, form, pictures
from tests.servers.wire_types import problems

Json = Any


class Hang:
    """Say nothing more, but keep the connection open until the client closes it."""


class Drop:
    """Cut the connection, in the middle of the body."""


@dataclass(frozen=True)
class Pause:
    """Say nothing for a while."""

    seconds: float


@dataclass(frozen=True)
class Gate:
    """Say nothing until the test sets the event (of the server's own loop)."""

    opened: asyncio.Event


Step = bytes | Pause | Gate | Hang | Drop


@dataclass(frozen=True)
class Play:
    """What to answer to one request: a status, headers, and the body step by step."""

    steps: Sequence[Step] = ()
    status: int = 200
    content_type: str = "text/event-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    before: Sequence[Pause | Gate | Hang | Drop] = ()
    """What happens before the status line is sent."""


@dataclass(frozen=True)
class Seen:
    """A request that the server got."""

    body: Json
    headers: Mapping[str, str]
    path: str
    """With its query."""
    raw_path: str
    """The same as it came, still quoted."""
    client_port: int
    """Of the connection: the same number twice means that the connection was used again."""


def chunk(
    delta: Mapping[str, Json] | None = None,
    *,
    finish: str | None = None,
    index: int = 0,
    logprobs: Json = None,
    **more: Json,
) -> bytes:
    """One event of a streamed answer; ``more`` goes beside ``choices``."""
    choice = {"index": index, "delta": delta or {}, "logprobs": logprobs, "finish_reason": finish}
    return event({**HEAD, "choices": [choice], **more})


def tokens_told(*tokens: str | bytes, logprob: float = -0.5) -> Json:
    """``logprobs`` of these tokens, as OpenAI writes them; bytes are a part of a letter."""
    content = []
    for token in tokens:
        code = token if isinstance(token, bytes) else token.encode()
        name = token if isinstance(token, str) else "".join(f"\\x{byte:02x}" for byte in token)
        other = {"token": SECRET_IN_ERRORS, "bytes": None, "logprob": -9.0}
        told = {"token": name, "bytes": list(code), "logprob": logprob, "top_logprobs": [other]}
        content.append(told)
    return {"content": content, "refusal": None}


def usage_chunk(input_tokens: int = 7, output_tokens: int = 3) -> bytes:
    """The last event of a stream that was asked for usage."""
    return event({**HEAD, "choices": [], "usage": usage(input_tokens, output_tokens)})


def usage(input_tokens: int, output_tokens: int) -> dict[str, Json]:
    """Usage as OpenAI writes it."""
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def event(value: Json) -> bytes:
    """A JSON value as an event of a stream."""
    return b"data: " + orjson.dumps(value) + b"\n\n"


DONE = b"data: [DONE]\n\n"
HEAD: Mapping[str, Json] = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1_790_000_000,
    "model": "served-model",
    "service_tier": "default",
    "system_fingerprint": "fp_1",
}


def text_stream(text: str, *, chunk_chars: int = 4, finish: str = "stop") -> bytes:
    """A whole streamed answer as bytes: role, text, finish, usage, ``[DONE]``."""
    pieces = [text[start : start + chunk_chars] for start in range(0, len(text), chunk_chars)]
    return b"".join(
        [
            chunk({"role": "assistant", "content": "", "refusal": None}),
            *(chunk({"content": piece}) for piece in pieces),
            chunk(finish=finish),
            usage_chunk(),
            DONE,
        ]
    )


def text_answer(text: str, *, chunk_chars: int = 4, finish: str = "stop") -> Play:
    """Play a text."""
    return Play([text_stream(text, chunk_chars=chunk_chars, finish=finish)])


def tool_call_answer(name: str, arguments: str, *, call_id: str = "call_1") -> Play:
    """Play one tool call, its arguments in pieces."""
    pieces = [arguments[start : start + 5] for start in range(0, len(arguments), 5)]
    begin = {
        "index": 0,
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": ""},
    }
    return Play(
        [
            chunk({"role": "assistant", "content": None, "tool_calls": [begin]}),
            *(
                chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
                for piece in pieces
            ),
            chunk(finish="tool_calls"),
            usage_chunk(),
            DONE,
        ]
    )


def whole_answer(text: str, *, calls: Sequence[Json] = (), finish: str = "stop") -> Play:
    """Play a text as one JSON object, as a provider does that ignores ``stream``."""
    message: Json = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    if calls:
        message["tool_calls"] = list(calls)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    body = {**HEAD, "object": "chat.completion", "choices": [choice], "usage": usage(7, 3)}
    return Play([orjson.dumps(body)], content_type="application/json")


def whole_choices(*texts: str, logprobs: Sequence[Json] = ()) -> Play:
    """Play several texts as one JSON object."""
    choices = [
        {
            "index": at,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "logprobs": logprobs[at] if logprobs else None,
            "finish_reason": "stop",
        }
        for at, text in enumerate(texts)
    ]
    body = {**HEAD, "object": "chat.completion", "choices": choices, "usage": usage(7, 3)}
    return Play([orjson.dumps(body)], content_type="application/json")


def error_answer(status: int, *, headers: Mapping[str, str] | None = None) -> Play:
    """Play an error whose text quotes the request, as providers' errors do."""
    error = {"message": f"{SECRET_IN_ERRORS} was wrong", "type": "some_error", "code": None}
    return Play(
        [orjson.dumps({"error": error})],
        status=status,
        content_type="application/json",
        headers=headers or {},
    )


SECRET_IN_ERRORS = "what-the-provider-quotes"  # noqa: S105  # a marker that must not come through


def vector_of(text: str, dimensions: int = 4) -> list[float]:
    """Numbers that are a text's own: equal for equal texts, and hardly for others."""
    made = random.Random(text)  # noqa: S311  # not for secrets
    return [made.choice((-1, 1)) * made.randrange(1, 2**20) / 2**20 for _ in range(dimensions)]


def vectors_answer(*vectors: Json, tokens: int | None = 5, **more: Json) -> Play:
    """Play vectors: lists of numbers, or base64."""
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(vectors)
    ]
    body: Json = {"object": "list", "data": data, "model": "served-embedder", **more}
    if tokens is not None:
        body["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Play([orjson.dumps(body)], content_type="application/json")


def pictures_answer(*data: str, **more: Json) -> Play:
    """Play pictures."""
    return Play([pictures(*data, **more)], content_type="application/json")


def echo(body: Json) -> Play:
    """What a request is answered by itself: its last text again, vectors, or pictures."""
    if "messages" in body:
        return text_answer(last_user_text(body))
    if "prompt" in body:
        return pictures_answer(*[PIXEL] * int(body.get("n", 1)))
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    return vectors_answer(*(vector_of(text, body.get("dimensions", 4)) for text in texts))


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    """The bytes cut at these positions; each piece is written on its own."""
    edges = [0, *sorted(min(max(0, position), len(data)) for position in at), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if start < end]


def last_user_text(body: Json) -> str:
    """The last user message of a request, as the server saw it."""
    for message in reversed(body["messages"]):
        if message["role"] == "user":
            content = message["content"]
            texts = [content] if isinstance(content, str) else [p.get("text", "") for p in content]
            return "".join(texts)
    return ""


class OpenAIServer:
    """The server's side of a test. Make one with ``openai_server``."""

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        """All that came, also what was refused."""
        self.answer: Callable[[Json], Play] = echo
        """What to play to a request body when nothing is queued."""
        self.disconnects = 0
        """How many requests the client closed before their answer's end."""
        self.base_url = ""
        self._plays: deque[Play] = deque()
        self._changed = asyncio.Condition()

    def play(self, *plays: Play) -> None:
        """Answer the next requests with these, in order."""
        self._plays.extend(plays)

    async def wait_for_requests(self, count: int = 1) -> None:
        """Return when that many requests have come."""
        await self._wait_until(lambda: len(self.requests) >= count)

    async def wait_for_disconnects(self, count: int = 1) -> None:
        """Return when the client has closed that many requests early."""
        await self._wait_until(lambda: self.disconnects >= count)

    async def _wait_until(self, is_true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(is_true)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer one HTTP request."""
        raw = await request.read()
        is_form = request.content_type == "multipart/form-data"
        body = form(raw, request.headers["Content-Type"]) if is_form else _decoded(raw)
        peer = request.transport.get_extra_info("peername") if request.transport else None
        self.requests.append(
            Seen(
                body,
                dict(request.headers),
                request.path_qs,
                request.raw_path,
                peer[1] if peer else 0,
            )
        )
        await self._tell()
        if wrong := self.problems(request, raw, body):
            return web.json_response(
                {"error": {"message": "; ".join(wrong), "type": "invalid_request_error"}},
                status=400,
            )
        play = self._plays.popleft() if self._plays else self.answer(body)
        try:
            return await self._perform(play, request)
        except (asyncio.CancelledError, ConnectionError):
            self.disconnects += 1
            await self._tell()
            raise

    def problems(self, request: web.Request, raw: bytes, body: Json) -> list[str]:
        """What the vendor would refuse; fakes of other vendors have their own."""
        del raw
        if request.path.endswith("/embeddings"):
            return problems(body, EmbeddingCreateParams, "body")
        if request.path.endswith("/images/generations"):
            return problems(body, ImageGenerateParamsNonStreaming, "body")
        if request.path.endswith("/images/edits"):
            return edit_problems(body)
        return request_problems(body)

    async def _perform(self, play: Play, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=play.status, headers=dict(play.headers))
        response.content_type = play.content_type
        if play.content_type == "text/event-stream":
            response.charset = "utf-8"
        for wait in play.before:
            if await self._is_over(wait, request):
                return response
        await response.prepare(request)
        for step in play.steps:
            if isinstance(step, bytes):
                await response.write(step)
                # Lets the loop send this piece, and see a disconnect, before the next one.
                await asyncio.sleep(0)
            elif await self._is_over(step, request):
                return response
        await response.write_eof()
        return response

    async def _is_over(self, step: Pause | Gate | Hang | Drop, request: web.Request) -> bool:
        match step:
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Gate(opened):
                await opened.wait()
            case Hang():
                await asyncio.Event().wait()
            case Drop():
                if request.transport is not None:
                    request.transport.abort()
                return True
        return False


ServerT = TypeVar("ServerT", bound=OpenAIServer)


def request_problems(body: Json) -> list[str]:
    """What is wrong with a request body by the vendor's own types."""
    if not isinstance(body, dict):
        return ["the body must be a JSON object"]
    wanted = (
        CompletionCreateParamsStreaming
        if body.get("stream")
        else CompletionCreateParamsNonStreaming
    )
    # Providers that draw extend the vendor's words by this one.
    if body.get("modalities") == ["image", "text"]:
        body = {**body, "modalities": ["text"]}
    return problems(body, wanted, "body")


def _decoded(raw: bytes) -> Json:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


@contextlib.asynccontextmanager
async def openai_server() -> AsyncIterator[OpenAIServer]:
    """A server in the running loop, on a free port of loopback."""
    calls = ("chat/completions", "embeddings", "images/generations", "images/edits")
    async with serving(OpenAIServer(), *(f"/v1/{call}" for call in calls)) as server:
        server.base_url += "/v1"
        yield server


@contextlib.asynccontextmanager
async def serving(server: ServerT, *paths: str) -> AsyncIterator[ServerT]:
    """This fake provider in the running loop, on a free port of loopback."""
    app = web.Application(client_max_size=64 * 2**20)
    for path in paths:
        app.router.add_post(path, server.respond)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        server.base_url = f"http://127.0.0.1:{port}"
        yield server
    finally:
        await runner.cleanup()


def openai_server_in_thread() -> contextlib.AbstractContextManager[OpenAIServer]:
    """The same in a thread with a loop of its own."""
    return in_thread(openai_server)


@contextlib.contextmanager
def in_thread(
    opened: Callable[[], contextlib.AbstractAsyncContextManager[ServerT]],
) -> Iterator[ServerT]:
    """A fake provider in a thread with a loop of its own."""
    servers: list[ServerT] = []
    is_up = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with opened() as server:
            servers.append(server)
            is_up.set()
            await stop.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="fake-provider")
    thread.start()
    try:
        if not is_up.wait(10):
            raise RuntimeError("the server did not start")
        yield servers[0]
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join(10)
