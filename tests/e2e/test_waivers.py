"""Waivers in a running gateway: they stop on their date, and count only where they are approved."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from app.domain.errors import ContentError
from app.main import load_project, running_app
from tests.access.claiming import FixedClock
from tests.catalog.test_approvals import ANN, APPROVER, public
from tests.review.projects import BASE

Json = Any
LAST_DAY = datetime(2090, 3, 31, 23, 59, 59, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The project of the reviews; its shop waives a rule for the public until 2090-03-31."""
    made = tmp_path / "project"
    shutil.copytree(BASE, made)
    return made


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """The app on a free port of loopback, and a client of it."""
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "http://127.0.0.1:{1}".format(*listener.getsockname())
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listener]))
            async with httpx2.AsyncClient(base_url=address, timeout=60, trust_env=False) as client:
                yield client
            server.should_exit = True


async def outcome(client: httpx2.AsyncClient, *, stream: bool) -> str:
    """What policy makes of a word that only the waiver lets pass."""
    body = {
        "model": "sam",
        "stream": stream,
        "messages": [{"role": "user", "content": "well, heck"}],
        "banneton": {"variables": {"order": "7"}},
    }
    answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200
    return answer.headers["x-banneton-input"]


async def test_a_waiver_stops_on_its_date(root: Path) -> None:
    """Somebody would have to remember the day and restart the gateway."""
    clock = FixedClock(LAST_DAY)
    project = load_project(root)
    async with running_app(project, host="127.0.0.1", clock=clock) as app, listening(app) as client:
        for stream in (False, True):
            assert await outcome(client, stream=stream) == "flag"
        catalog = (await client.get("/readyz")).json()["catalog"]
        clock.move(1)
        for stream in (False, True):
            assert await outcome(client, stream=stream) == "block"
        ready = (await client.get("/readyz")).json()
        assert (ready["catalog"], ready["problems"]) == (catalog, [])


async def test_a_waiver_that_nobody_signed_does_not_load(root: Path) -> None:
    """A gateway that wants signatures would serve a waiver without one."""
    with (root / "banneton.yaml").open("a") as settings:
        approvers = f'{{"{APPROVER}": "{public(ANN)}"}}'
        settings.write(f"waivers: {{approval: signature, approvers: {approvers}}}\n")
    clock = FixedClock(LAST_DAY)
    with pytest.raises(ContentError, match="banneton waivers --sign shop/slurs/public"):
        async with running_app(load_project(root), host="127.0.0.1", clock=clock):
            pass
    clock.move(1)
    async with running_app(load_project(root), host="127.0.0.1", clock=clock):
        pass  # what has expired lowers nothing, and keeps nobody from starting


async def test_owners_are_for_the_repository_to_say(root: Path) -> None:
    """A container, which has no CODEOWNERS, could not start."""
    with (root / "banneton.yaml").open("a") as settings:
        settings.write("waivers: {approval: codeowners}\n")
    async with running_app(load_project(root), host="127.0.0.1"):
        pass
