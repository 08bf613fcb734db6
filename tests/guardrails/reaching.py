"""What detectors ask outside, connected to fake servers on loopback."""

import base64
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from app.backends.http import Connection
from app.backends.openai import OpenAIBackend
from app.backends.outside import Answers, Endpoint, Reach
from app.backends.timeouts import Timeouts
from app.domain.catalog import Route, Target
from app.domain.protocols import Backend, Outside
from app.guardrails.context import NO_CONTEXT, Context
from app.guardrails.kinds import KINDS
from app.guardrails.passage import Passage
from app.guardrails.plan import Builds
from app.guardrails.seen import Seen, ask_all
from app.guardrails.stage_plan import AwaitedRun
from app.main import SystemClock, new_id
from tests.servers.guard_server import API_KEY, SECRET, GuardServer, guard_server
from tests.servers.openai_server import OpenAIServer, openai_server

ROUTES: Mapping[str, Route] = {
    name: Route(name, (Target("model", f"{name}-model"),))
    for name in ("judge", "llama-guard", "prompt-guard")
}


@dataclass(frozen=True)
class Far:
    """Both sides of what is asked outside."""

    models: OpenAIServer
    services: GuardServer
    endpoints: dict[str, Endpoint]
    reach: Reach

    def outside(self, tenant: str = "acme") -> Outside:
        """For one exchange."""
        return self.reach.asking(tenant, ROUTES)


@asynccontextmanager
async def far() -> AsyncIterator[Far]:
    """Fake servers, and what reaches them."""
    jar = aiohttp.DummyCookieJar()
    async with (
        openai_server() as models,
        guard_server() as services,
        aiohttp.ClientSession(cookie_jar=jar) as session,
    ):
        to_models = Connection(session, models.base_url, {}, Timeouts())
        backends: dict[str, Backend] = {"model": OpenAIBackend(to_models)}
        key = {"authorization": f"Bearer {API_KEY}"}
        secret = base64.b64decode(SECRET.removeprefix("whsec_"))
        paths = {"moderation": "/v1/moderations", "vllm": "/classify", "tei": "/predict"}
        endpoints = {
            "nobody": Endpoint("http://127.0.0.1:1/"),
            "guard": Endpoint(services.base_url + "/guard", signing_key=secret),
            **{name: Endpoint(services.base_url + path, key) for name, path in paths.items()},
        }
        answers = Answers(secrets.token_bytes(32), capacity=3)
        yield Far(
            models,
            services,
            endpoints,
            Reach(backends, endpoints, session, answers, SystemClock(), new_id),
        )


async def ask(
    far_: Far,
    detect: Mapping[str, Mapping[str, Any]],
    text: str,
    *,
    context: Context = NO_CONTEXT,
    timeout_ms: int = 5000,
) -> Seen:
    """What a detector says of a text."""
    ((name, settings),) = detect.items()
    kind = KINDS[name]
    made = Builds(KINDS)
    detector = made.detector(name, kind.settings.model_validate(settings))
    assert detector is not None
    run = made.run(kind, detector, timeout_ms)
    assert isinstance(run, AwaitedRun)
    said = await ask_all([run], {"t": Passage(text, context=context)}, far_.outside())
    return said.get("t", Seen())
