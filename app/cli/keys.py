"""Keys: who may use which personas, and how loosely."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import ROOT, Format

cli = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)
