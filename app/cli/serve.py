"""Run the gateway."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import ROOT

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


def serve(
    *,
    root: Annotated[Path | None, ROOT] = None,
    host: Annotated[str | None, typer.Option(help="Overrides server.host.")] = None,
    port: Annotated[int | None, typer.Option(help="Overrides server.port.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log errors only.")] = False,
) -> None:
    """Serve the personas of a project over HTTP.

    Example: banneton serve --port 8000
    """
    import asyncio
    import logging

    import uvicorn

    from app.main import load_project, running_app

    logging.basicConfig(
        level=logging.ERROR if quiet else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    project = load_project(root)
    server = project.settings.server

    async def run() -> None:
        async with running_app(project, host=host or server.host) as app:
            config = uvicorn.Config(
                app,
                host=host or server.host,
                port=port or server.port,
                lifespan="off",
                access_log=False,  # the API has its own, without query strings
                log_config=None,
                server_header=False,
            )
            await uvicorn.Server(config).serve()

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run())


def _loop_factory() -> "Callable[[], asyncio.AbstractEventLoop] | None":
    """Uvloop's where it is installed (it is not made for Windows), else the default."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
