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


@contextmanager
def running_gateway(root: Path | None, *, backend: str) -> Iterator[Running]:
    """Serve a project on a free port of loopback, every route on one backend, until the end.

    Raises:
        BannetonError: It did not start.
    """
    import asyncio

    import uvicorn

    from app.access.keys import KeyWish
    from app.main import SystemClock, load_project, make_key, running_app, with_keys

    project = load_project(root, only_backend=backend)
    wish = KeyWish(tenant="demo", name="demo", may_read_records=True)
    made = asyncio.run(make_key(project, wish))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    is_ready = threading.Event()
    servers: list[uvicorn.Server] = []
    failures: list[BaseException] = []

    async def run() -> None:
        async with running_app(project, host="127.0.0.1") as app:
            server = uvicorn.Server(
                uvicorn.Config(app, lifespan="off", log_level="error", access_log=False)
            )
            servers.append(server)
            listener.listen()
            is_ready.set()
            await server.serve(sockets=[listener])

    def in_thread() -> None:
        try:
            asyncio.run(run())
        except BaseException as exc:  # noqa: BLE001  # raised again where it is waited for
            failures.append(exc)
        finally:
            is_ready.set()

    thread = threading.Thread(target=in_thread, name="gateway", daemon=True)
    thread.start()
    is_ready.wait()
    try:
        if failures:
            raise failures[0]
        host, port = listener.getsockname()
        yield Running(f"http://{host}:{port}", made.secret)
    finally:
        for server in servers:
            server.should_exit = True
        thread.join(20)
        listener.close()
        # A key that stays would make the next gateway on this project ask for keys.
        now = SystemClock().now()
        asyncio.run(with_keys(project, lambda store: store.revoke(made.key.id, now)))
