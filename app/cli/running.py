"""A gateway in this process, for commands that need one only for a while."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Running:
    """Where it listens, and a key for it."""

    url: str
    key: str
    model: str


@contextmanager
def running_gateway(root: Path | None, *, backend: str) -> Iterator[Running]:
    """Serve a project on a free port of loopback, every route on one backend, until the end."""
    import asyncio
    from dataclasses import replace

    import uvicorn

    from app.main import create_app, create_key, load_project

    project = load_project(root, only_backend=backend)
    key = asyncio.run(create_key(project, name="demo", tenant="demo"))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app = create_app(project, host="127.0.0.1")
    config = uvicorn.Config(app, log_level="error", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise SystemExit(2)
            thread.join(0.02)
        host, port = listener.getsockname()
        yield Running(f"http://{host}:{port}", key, backend)
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
