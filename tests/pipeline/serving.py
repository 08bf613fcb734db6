"""The whole gateway in this process, on a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import uvicorn

from app.main import Project, running_app


@asynccontextmanager
async def serving(project: Project) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve a project until the end of the block; gives a client that is connected to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with running_app(project, host="127.0.0.1") as app, asyncio.TaskGroup() as group:
            config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
            server = uvicorn.Server(config)
            # As serve does, but for signals, which are pytest's.
            group.create_task(server._serve(sockets=[listener]))  # noqa: SLF001
            async with httpx2.AsyncClient(
                base_url=f"http://127.0.0.1:{listener.getsockname()[1]}",
                timeout=60,
                trust_env=False,
            ) as http:
                yield http
            server.should_exit = True
