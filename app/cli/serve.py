"""Run the gateway."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import ROOT

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

_GARBAGE_THRESHOLDS = (1_000, 5, 1_000)
"""After how many more objects the newest are searched for garbage, after how many such searches
those that were left, after how many of these all. A search stops every thread: of five thousand
objects a millisecond or two, and of all of them as long as what is remembered is much."""
_TURN_S = 0.0001
"""How long a thread may keep Python's lock while the event loop waits for it. The loop may have to
wait a few times in one round; at Python's usual 5 ms that adds up."""


def serve(
    *,
    root: Annotated[Path | None, ROOT] = None,
    host: Annotated[str | None, typer.Option(help="Overrides server.host.")] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Overrides server.port; 0 takes a free one.", min=0, max=65_535),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log errors only.")] = False,
) -> None:
    """Serve the personas of a project over HTTP.

    Example: banneton serve --port 8000
    """
    import asyncio
    import gc
    import logging
    import signal
    import sys

    import uvicorn

    from app.cli.running import plan_change
    from app.main import load_project, running_app

    logging.basicConfig(
        level=logging.ERROR if quiet else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    project = load_project(root)
    server = project.settings.server
    listener = _bound(host or server.host, server.port if port is None else port)

    async def run() -> None:
        async with running_app(project, host=host or server.host, plan=plan_change) as app:
            config = uvicorn.Config(
                app,
                lifespan="off",
                access_log=False,  # the API has its own, without query strings
                log_config=None,
                server_header=False,
                proxy_headers=False,  # nothing here asks for the client's address
            )
            for name in (signal.SIGINT, signal.SIGTERM):
                # When uvicorn has stopped it raises the signal again for whoever listened before:
                # that must not end the process, which has a ledger to close.
                signal.signal(name, lambda _signal, _frame: None)
            listener.listen(config.backlog)
            where, at = listener.getsockname()[:2]
            # What was loaded stays: looking through it for garbage again and again costs a tenth of
            # the time of a request. What requests leave behind is mostly free without a search.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*_GARBAGE_THRESHOLDS)
            _give_back()
            sys.setswitchinterval(_TURN_S)
            typer.echo(f"Listening on http://{f'[{where}]' if ':' in where else where}:{at}")
            await uvicorn.Server(config).serve(sockets=[listener])

    with listener, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run())


def _give_back() -> None:
    """Let the system have what loading took and freed again: glibc would keep thirty megabytes."""
    import ctypes
    import sys

    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)


def _bound(host: str, port: int) -> "socket.socket":
    """A socket that has the address; nothing listens on it yet.

    Raises:
        ContentError: It cannot be had.
    """
    import socket

    from app.domain.errors import ContentError, Problem

    listener: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as exc:
        if listener is not None:
            listener.close()
        what = f"cannot listen on {host} port {port}: {exc.strerror}; choose with --host and --port"
        raise ContentError([Problem("banneton.yaml", 0, 0, "server", what)]) from None
    return listener


def _loop_factory() -> "Callable[[], asyncio.AbstractEventLoop] | None":
    """Uvloop's where it is installed (it is not made for Windows), else the default."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
