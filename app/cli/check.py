"""Validate a project: files, references, laws, cases."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.counts import counted
from app.cli.options import ROOT, Format

if TYPE_CHECKING:
    from app.domain.errors import Problem


def check(
    *,
    root: Annotated[Path | None, ROOT] = None,
    cases: Annotated[bool, typer.Option(help="Also run the cases beside the files.")] = True,
    output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TEXT,
) -> None:
    """Say everything that is wrong in a project's files, and run their cases.

    Ends with 0 where all is well, 1 where something is wrong. Warnings change nothing about that.

    Example: banneton check
    """
    import asyncio
    import json
    from functools import partial

    from app.catalog.approvals import owners_in_checkout
    from app.catalog.behaviours import contradictions
    from app.domain.errors import ContentError
    from app.main import SystemClock, check_cases, load_project
    from app.outgoing import unforbidden_uses

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    summary = ""
    left_out: list[str] = []
    try:
        project = load_project(root, reads_secrets=False)
        loaded = project.load()
        catalog = loaded.catalog
        warnings = (*contradictions(catalog), *sorted(unforbidden_uses(catalog, project.settings)))
        today = SystemClock().now().date()
        owners = partial(owners_in_checkout, project.root)
        problems = tuple(project.unapproved(catalog, today, owners))
        personas = counted(len(catalog.personas), "persona")
        policies = counted(len(catalog.policies), "policy", "policies")
        summary = f"{personas}, {policies}, {catalog.digest}"
        left_out = [
            f"policies/{name}.yaml: rules.{rule}: left out, as what it needs is not installed"
            for name, plan in sorted(loaded.plans.items())
            for rule in plan.left_out
        ]
        if cases:
            count, failed = asyncio.run(check_cases(project, loaded))
            problems += failed
            summary = f"{counted(count, 'case')}, {summary}"
    except ContentError as error:
        problems = error.problems
    if output is Format.JSON:
        fields = ("file", "line", "column", "path", "what")
        found: dict[str, object] = {
            kind: [{name: getattr(each, name) for name in fields} for each in listed]
            for kind, listed in (("problems", problems), ("warnings", warnings))
        }
        typer.echo(json.dumps({**found, "left_out": left_out}, ensure_ascii=False, indent=2))
    else:
        for line in left_out:
            typer.echo(line)
        for warning in warnings:
            typer.echo(f"warning: {warning}")
        for problem in problems:
            typer.echo(str(problem))
        wrong = counted(len(problems), "problem")
        typer.echo(wrong if problems else f"all well: {summary}")
    if problems:
        raise typer.Exit(1)
