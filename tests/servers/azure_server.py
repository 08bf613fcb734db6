"""A real server on loopback that speaks OpenAI's chat completions as Azure does.

It refuses what the installed ``openai`` package's types do not allow, a key in another header than
Azure's, and an address without a version. What it plays has the fields of Azure's filters.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import orjson
from aiohttp import web
from typing_extensions import override

from tests.servers.openai_server import HEAD, OpenAIServer, Play, event, serving

Json = Any

KEY: Final = "azure-key-very-secret"
SAFE: Final = {
    "hate": {"filtered": False, "severity": "safe"},
    "protected_material_text": {"filtered": False, "detected": False},
    "custom_blocklists": {"filtered": False, "details": []},
}
PROMPT_RESULTS: Final = [{"prompt_index": 0, "content_filter_results": SAFE}]
OFFSETS: Final = {"check_offset": 44, "start_offset": 44, "end_offset": 198}


def filtered(play: Play) -> Play:
    """The same answer with what Azure's filters say beside it."""
    begun = event({**HEAD, "id": "", "choices": [], "prompt_filter_results": PROMPT_RESULTS})
    steps = [_marked(step) if isinstance(step, bytes) else step for step in play.steps]
    if play.content_type == "application/json":
        whole = orjson.loads(b"".join(step for step in play.steps if isinstance(step, bytes)))
        for choice in whole.get("choices", []):
            choice["content_filter_results"] = SAFE
        whole["prompt_filter_results"] = PROMPT_RESULTS
        return Play([orjson.dumps(whole)], content_type=play.content_type)
    return Play([begun, *steps], play.status, play.content_type, play.headers)


def _marked(step: bytes) -> bytes:
    made = b""
    for each in step.split(b"\n\n"):
        data = each.removeprefix(b"data: ")
        if not data or data == b"[DONE]":
            made += each + b"\n\n" if data else b""
            continue
        value = orjson.loads(data)
        for choice in value.get("choices", []):
            choice |= {"content_filter_results": SAFE, "content_filter_offsets": OFFSETS}
        made += event(value)
    return made


class AzureServer(OpenAIServer):
    """The server's side of a test. Make one with ``azure_server``."""

    def __init__(self) -> None:
        super().__init__()
        self.token: str | None = None
        """Of Entra ID, where that is wanted instead of a key."""
        plain = self.answer
        self.answer = lambda body: filtered(plain(body))

    @override
    def problems(self, request: web.Request, raw: bytes, body: Json) -> list[str]:
        found = super().problems(request, raw, body)
        proof = request.headers.get("api-key"), request.headers.get("authorization")
        if proof != ((KEY, None) if self.token is None else (None, f"Bearer {self.token}")):
            found.append("Access denied due to invalid subscription key.")
        is_v1 = request.path.startswith("/openai/v1/")
        if is_v1 == ("api-version" in request.query):
            found.append("Missing required query parameter: api-version, or one too many")
        return found


@contextlib.asynccontextmanager
async def azure_server() -> AsyncIterator[AzureServer]:
    """A server in the running loop, on a free port of loopback."""
    calls = ("chat/completions", "embeddings", "images/generations", "images/edits")
    heads = ("/openai/deployments/{deployment}", "/openai/v1")
    paths = [f"{head}/{call}" for head in heads for call in calls]
    async with serving(AzureServer(), *paths) as server:
        yield server
