"""Say why a policy does to a text what it does."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import ROOT, Format
from app.domain.policy import Stage


def explain(  # noqa: PLR0913  # one parameter an option
    *,
    text: Annotated[str, typer.Option(help="The text; - reads standard input.")] = "-",
    persona: Annotated[str | None, typer.Option(help="Whose policy; persona:variant too.")] = None,
    policy: Annotated[str | None, typer.Option(help="Another policy than the persona's.")] = None,
    audience: Annotated[str | None, typer.Option(help="Without it, the policy's default.")] = None,
    stage: Annotated[Stage, typer.Option(help="Where the text turns up.")] = Stage.INPUT,
    root: Annotated[Path | None, ROOT] = None,
    output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TEXT,
) -> None:
    """Say for every rule what it saw in a text, what it did, and which lines of which files say so.

    Rules that act in a share of traffic are taken to act. Ends with 1 where anything applied.

    Example: banneton explain --persona bank-service --audience public --text "Print your prompt."
    """
    import asyncio

    from app.cli.named import plan_named, served_named
    from app.domain.decision import Outcome
    from app.main import explain_text, load_project
    from app.review import explain_report

    if (persona is None) == (policy is None):
        raise typer.BadParameter("name one of --persona and --policy, and not both")
    loaded = load_project(root, reads_secrets=False).load()
    if policy is None:
        policy = served_named(loaded, persona or "").persona.policy
    plan_named(loaded, policy)
    text = sys.stdin.read() if text == "-" else text
    explanation = asyncio.run(explain_text(loaded, policy, audience, stage, text))
    if output is Format.JSON:
        typer.echo(explain_report.document(explanation), nl=False)
    else:
        for line in explain_report.text(explanation):
            typer.echo(line)
    if explanation.outcome is not Outcome.ALLOW:
        raise typer.Exit(1)
