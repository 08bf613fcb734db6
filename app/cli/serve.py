"""Run the gateway."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import ROOT


def serve(
    *,
    root: Annotated[Path | None, ROOT] = None,
    host: Annotated[str | None, typer.Option(help="Overrides server.host.")] = None,
    port: Annotated[int | None, typer.Option(help="Overrides server.port.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No access log.")] = False,
) -> None:
    """Serve the personas of a project over HTTP.

    Example: banneton serve --port 8000
    """
    import uvicorn

    from app.main import create_app, load_project

    project = load_project(root)
    server = project.settings.server
    host, port = host or server.host, port or server.port
    app = create_app(project, host=host)
    uvicorn.run(app, host=host, port=port, access_log=not quiet, log_level="warning" if quiet else "info")
