"""Part of ``main``: the console, loaded when somebody first comes to it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app import __version__
from app.access.admission import Admission
from app.domain.clock import Clock, NewId
from app.guardrails.plan import Builds
from app.ledger.ledger import Ledger
from app.pipeline.gateway import Gateway
from app.pipeline.loaded import Loaded
from app.settings import Settings
from app.settings.backends import (
    Backend,
    LocalBackend,
    OpenAIBackend,
    ResponsesBackend,
    ScriptedBackend,
)
from app.settings.data_uses import provider_of

if TYPE_CHECKING:  # planning is no part of a start
    from app.review.runs import MakePlan


@dataclass(frozen=True, slots=True)
class ConsoleParts:
    """What the console is made of."""

    gateway: Gateway
    admission: Admission
    ledger: Ledger
    settings: Settings
    loaded: Callable[[], Loaded]
    load_at: Callable[[Path], Loaded]
    plan: "MakePlan | None"
    is_stopping: Callable[[], bool]
    root: Path
    builds: Builds
    clock: Clock
    new_id: NewId


def add_console(app: FastAPI, parts: ConsoleParts) -> None:
    """Serve ``/console`` beside the API, unless ``banneton.yaml`` says otherwise."""
    if parts.settings.console.enabled:
        console = _LateConsole(parts)
        app.router.routes += [
            Route("/console", console),
            Route("/console/{path:path}", console),
        ]


class _LateConsole:
    """Its pages, templates and what they need are no part of a start, nor of an idle gateway."""

    def __init__(self, parts: ConsoleParts) -> None:
        self._parts = parts
        self._making = asyncio.Lock()
        self._console: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._console is None:
            async with self._making:
                if self._console is None:
                    self._console = await asyncio.to_thread(_made, self._parts)
        await self._console(scope, receive, send)


def _made(parts: ConsoleParts) -> ASGIApp:
    from app.console.frame import Console  # noqa: PLC0415  # at the first visit
    from app.console.session import Sessions  # noqa: PLC0415
    from app.console.visit import Behind  # noqa: PLC0415
    from app.ledger.checking import Checks  # noqa: PLC0415
    from app.pipeline.overview import Overviews  # noqa: PLC0415
    from app.review.drafts import Drafts  # noqa: PLC0415
    from app.review.runs import PlanRuns  # noqa: PLC0415

    behind = Behind(
        gateway=parts.gateway,
        loaded=parts.loaded,
        load_at=parts.load_at,
        drafts=Drafts(parts.root, parts.load_at),
        one_at_a_time=asyncio.Semaphore(1),
        plans=PlanRuns(parts.plan, parts.is_stopping) if parts.plan else None,
        root=parts.root,
        builds=parts.builds,
        clock=parts.clock,
        new_id=parts.new_id,
        version=__version__,
        prices=parts.settings.model_prices,
        places={name: _place(each) for name, each in parts.settings.backends.items()},
        ledger=parts.ledger,
        overviews=Overviews(parts.ledger, parts.settings.model_prices, parts.clock),
        checks=Checks(parts.ledger.store),
    )
    keyring = parts.ledger.store.keyring
    sessions = Sessions(keyring.console_key, parts.settings.console.session_hours)
    return Console(behind, parts.admission, sessions)


def _place(backend: Backend) -> str:
    """Where a backend is: its host, or its provider's name; empty for this machine."""
    match backend:
        case LocalBackend() | ScriptedBackend():
            return ""
        case OpenAIBackend():
            url: str | None = backend.server.base_url
        case ResponsesBackend():
            url = backend.address
        case _:
            url = backend.base_url
    host = urlsplit(url or "").hostname or ""
    return "" if _is_here(host) else host or provider_of(backend) or backend.type


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
