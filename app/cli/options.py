"""Options that several commands share."""

from enum import StrEnum

import typer


class Format(StrEnum):
    """How a command prints: for people, or for machines."""

    TEXT = "text"
    JSON = "json"


ROOT = typer.Option(
    "--root",
    help="The project's folder; without it the current one, or the shipped content.",
    exists=True,
    file_okay=False,
)
