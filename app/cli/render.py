"""Read a composed system prompt."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import ROOT, Format

if TYPE_CHECKING:
    from app.domain.persona import Scalar, Variable


def render(  # one parameter an option
    persona: Annotated[str, typer.Argument(help="A persona's id, or persona:variant.")],
    *,
    root: Annotated[Path | None, ROOT] = None,
    scenario: Annotated[str | None, typer.Option(help="One of the persona's scenarios.")] = None,
    var: Annotated[
        list[str] | None, typer.Option(help="A variable as name=value; may be repeated.")
    ] = None,
    provenance: Annotated[
        bool, typer.Option(help="Put the file, line and key that each line came from beside it.")
    ] = False,
    output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TEXT,
) -> None:
    """Print the system prompt that a persona would send, and where each line came from.

    Example: banneton render bank-service --scenario lost-card --var customer_name=Ann --provenance
    """
    import json

    from app.cli.named import served_named
    from app.main import load_project

    loaded = load_project(root, reads_secrets=False).load()
    served = served_named(loaded, persona)
    variables: dict[str, Scalar] = {}
    for pair in var or ():
        key, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"--var {key}: write name=value")
        variables[key] = _scalar(value, served.persona.variables.get(key))
    prompt = served.prompt.compose(scenario, variables)
    if output is Format.JSON:
        lines = [
            {"line": number, "file": source.file, "at": source.line, "key": source.key}
            for number, source in enumerate(prompt.provenance, start=1)
        ]
        document = {"text": prompt.text, "digest": prompt.digest, "tokens": prompt.tokens}
        typer.echo(json.dumps({**document, "provenance": lines}, ensure_ascii=False, indent=2))
        return
    if not provenance:
        typer.echo(prompt.text)
    else:
        for line, source in zip(prompt.text.split("\n"), prompt.provenance, strict=True):
            where = f"{source.file}:{source.line}" + (f" {source.key}" if source.key else "")
            typer.echo(f"{where:<58} │ {line}")
    typer.echo(f"\n{prompt.tokens} tokens (estimated), {prompt.digest}", err=True)


def _scalar(value: str, variable: "Variable | None") -> "Scalar":
    """A variable's value as a number or boolean where its type is none for text."""
    import json

    if variable is None or variable.type == "string":
        return value
    try:
        parsed = json.loads(value)
    except ValueError:
        return value
    return parsed if isinstance(parsed, int | float | bool) else value
