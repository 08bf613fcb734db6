"""A gateway in this process, for commands that need one only for a while."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.access.keys import NewKey
    from app.ledger.keys import KeyStore
    from app.main import Project
    from app.review.runs import Made, PlanWish, Say

NO_KEY = "none-needed"
"""What SDKs may send where the gateway asks for no key: they want something to send."""


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

    from app.main import load_project, running_app

    project = load_project(root, only_backend=backend)
    made = asyncio.run(_key(project))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    is_ready = threading.Event()
    servers: list[uvicorn.Server] = []
    failures: list[BaseException] = []

    async def run() -> None:
        async with running_app(project, host="127.0.0.1", plan=plan_change) as app:
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
        yield Running(f"http://{host}:{port}", made.secret if made else NO_KEY)
    finally:
        for server in servers:
            server.should_exit = True
        thread.join(20)
        listener.close()
        if made is not None:
            asyncio.run(_revoke(project, made))


def plan_change(project: "Project", wish: "PlanWish", say: "Say") -> "Made":
    """Make a plan for the console; what makes it is loaded when the first one is wanted."""
    from app import plan_change as made

    return made.plan_change(project, wish, say)


async def _key(project: "Project") -> "NewKey | None":
    """A key for as long as the gateway runs; none where the project has none.

    One that it does not need would make a gateway that runs on the project already ask for keys.
    """
    from app.access.keys import KeyWish, create_key
    from app.main import SystemClock, new_id, with_keys

    async def work(store: "KeyStore") -> "NewKey | None":
        if all(key.revoked_at is not None for key in await store.list(None)):
            return None
        wish = KeyWish(tenant="demo", name="demo", may_read_records=True)
        return await create_key(store, SystemClock(), new_id, wish)

    return await with_keys(project, work)


async def _revoke(project: "Project", made: "NewKey") -> None:
    from app.main import SystemClock, with_keys

    await with_keys(project, lambda store: store.revoke(made.key.id, SystemClock().now()))
