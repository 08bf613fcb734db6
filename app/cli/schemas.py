"""Write the JSON Schemas by which editors complete and check the files that people write."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer


def schemas(
    *,
    to: Annotated[Path, typer.Option(help="The folder; made where there is none.")] = Path(
        "schemas"
    ),
) -> None:
    """Write the JSON Schemas of personas, policies, cases and all else that people write.

    Example: banneton schemas --to schemas
    """
    to.mkdir(parents=True, exist_ok=True)
    for name, text in schema_texts().items():
        (to / name).write_text(text, "utf-8")
        typer.echo(str(to / name))


def schema_texts() -> Mapping[str, str]:
    """The JSON Schema of each kind of file, by the schema's file name."""
    import json

    from app.backends.scripted import Script
    from app.catalog.schemas import generate_schemas
    from app.guardrails.kinds import KINDS
    from app.settings import Settings

    script = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Script.model_json_schema(),
        "title": "script",
    }
    return {
        **generate_schemas(KINDS.values(), Settings),
        "script.schema.json": json.dumps(script, ensure_ascii=False, indent=2) + "\n",
    }
