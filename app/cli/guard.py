"""Try a text against a policy, without a model."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import ROOT, Format
from app.domain.policy import Stage

if TYPE_CHECKING:
    from app.pipeline.gateway import CheckResult


def guard(  # one parameter an option
    policy: Annotated[str, typer.Argument(help="A policy's id.")],
    text: Annotated[str, typer.Argument(help="The text; - reads standard input.")] = "-",
    *,
    root: Annotated[Path | None, ROOT] = None,
    audience: Annotated[str | None, typer.Option(help="Without it, every audience.")] = None,
    stage: Annotated[Stage, typer.Option(help="Where the text turns up.")] = Stage.INPUT,
    output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TEXT,
) -> None:
    """Say what a policy makes of a text, by audience. Ends with 1 where anything applied.

    Example: banneton guard bank "my card is 4111 1111 1111 1111"
    """
    import asyncio
    import json

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from app.cli.named import plan_named
    from app.domain.decision import Outcome
    from app.main import check_text, load_project

    loaded = load_project(root, reads_secrets=False).load()
    text = sys.stdin.read() if text == "-" else text
    plan = plan_named(loaded, policy)
    audiences = (audience,) if audience else plan.policy.audiences
    results: dict[str, CheckResult] = {
        name: asyncio.run(check_text(loaded, policy, name, stage, text)) for name in audiences
    }
    if output is Format.JSON:
        typer.echo(
            json.dumps(
                {name: _document(result) for name, result in results.items()},
                ensure_ascii=False,
                indent=2,
            )
        )
    else:
        table = Table(box=None, pad_edge=False)
        for heading in ("audience", "outcome", "rules", "what would be passed on"):
            table.add_column(heading, overflow="fold")
        for name, result in results.items():
            rules = ", ".join(f"{applied.rule} → {applied.action}" for applied in result.applied)
            passed_on = next(iter(result.texts.values()), "nothing")
            # As Text, because "[removed]" and what users write would be read as markup.
            table.add_row(name, result.outcome, rules or "none", Text(passed_on))
        Console().print(table)
        scores = ", ".join(
            f"{detector} {score:.2f}"
            for detector, score in next(iter(results.values())).scores.items()
        )
        typer.echo(f"highest scores: {scores or 'no detector looks at this stage'}")
    if any(result.outcome is not Outcome.ALLOW for result in results.values()):
        raise typer.Exit(1)


def _document(result: "CheckResult") -> dict[str, object]:
    return {
        "outcome": result.outcome,
        "texts": dict(result.texts),
        "scores": dict(result.scores),
        "applied": [{"rule": applied.rule, "action": applied.action} for applied in result.applied],
    }
