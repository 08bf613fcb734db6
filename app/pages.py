"""Part of ``main``: the console, loaded when somebody first comes to it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app import __version__
from app.access.admission import Admission
from app.domain.clock import Clock, NewId
from app.ledger.ledger import Ledger
from app.pipeline.gateway import Gateway
from app.pipeline.loaded import Loaded
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class ConsoleParts:
    """What the console is made of."""

    gateway: Gateway
    admission: Admission
    ledger: Ledger
    settings: Settings
    loaded: Callable[[], Loaded]
    load_at: Callable[[Path], Loaded]
    root: Path
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

    behind = Behind(
        gateway=parts.gateway,
        loaded=parts.loaded,
        load_at=parts.load_at,
        root=parts.root,
        clock=parts.clock,
        new_id=parts.new_id,
        version=__version__,
    )
    keyring = parts.ledger.store.keyring
    sessions = Sessions(keyring.console_key, parts.settings.console.session_hours)
    return Console(behind, parts.admission, sessions)
