"""Write the JSON Schemas by which editors complete and check the files that people write."""

from pathlib import Path
from typing import Annotated

import typer


def schemas(
    *,
    to: Annotated[Path, typer.Option(help="The folder; made where there is none.")] = Path(
        "schemas"
    ),
) -> None:
    """Write the JSON Schemas of personas, policies, cases, scripts and banneton.yaml.

    Example: banneton schemas --to schemas
    """
    from app.main import schema_texts

    to.mkdir(parents=True, exist_ok=True)
    for name, text in schema_texts().items():
        (to / name).write_text(text, "utf-8")
        typer.echo(str(to / name))
