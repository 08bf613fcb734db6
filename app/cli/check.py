"""Validate a project: files, references, laws, cases."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.counts import counted
from app.cli.options import ROOT

if TYPE_CHECKING:
    from app.domain.errors import Problem
    from app.main import Project


class CheckFormat(StrEnum):
    """How what is wrong is printed."""

    TEXT = "text"
    SARIF = "sarif"
    JUNIT = "junit"
    JSON = "json"


@dataclass(slots=True)
class _Found:
    """What there is to say."""

    problems: "tuple[Problem, ...]" = ()
    warnings: "tuple[Problem, ...]" = ()
    left_out: tuple[str, ...] = ()
    summary: str = ""


def check(
    *,
    root: Annotated[Path | None, ROOT] = None,
    cases: Annotated[bool, typer.Option(help="Also run the cases beside the files.")] = True,
    output: Annotated[
        CheckFormat, typer.Option("--format", help="How to print.")
    ] = CheckFormat.TEXT,
) -> None:
    """Say everything that is wrong in a project's files, and run their cases.

    Ends with 0 where all is well, 1 where something is wrong. Warnings change nothing about that.

    Example: banneton check
    """
    from app.domain.errors import ContentError
    from app.main import load_project

    found = _Found()
    try:
        _look(load_project(root, reads_secrets=False), found, cases=cases)
    except ContentError as error:
        found.problems = error.problems
    _print(found, output, root)
    if found.problems:
        raise typer.Exit(1)


def _look(project: "Project", found: _Found, *, cases: bool) -> None:
    """Find all that is wrong.

    Raises:
        ContentError: The files do not load.
    """
    import asyncio
    from functools import partial

    from app.catalog.approvals import owners_in_checkout
    from app.catalog.behaviours import contradictions
    from app.catalog.weakenings import Approvers, read_approvals, refused
    from app.main import SystemClock, check_cases
    from app.outgoing import unforbidden_uses

    loaded = project.load()
    catalog = loaded.catalog
    unforbidden = sorted(unforbidden_uses(catalog, project.settings))
    found.warnings = (*contradictions(catalog), *unforbidden)
    owners = partial(owners_in_checkout, project.root)
    found.problems = tuple(project.unapproved(catalog, SystemClock().now().date(), owners))
    wanted = project.settings.waivers
    approvers = Approvers(wanted.approval, wanted.approvers, owners)
    found.problems += refused(read_approvals(project.root), approvers)
    personas = counted(len(catalog.personas), "persona")
    policies = counted(len(catalog.policies), "policy", "policies")
    found.summary = f"{personas}, {policies}, {catalog.digest}"
    found.left_out = tuple(
        f"policies/{name}.yaml: rules.{rule}: left out, as what it needs is not installed"
        for name, plan in sorted(loaded.plans.items())
        for rule in plan.left_out
    )
    if cases:
        count, failed = asyncio.run(check_cases(project, loaded))
        found.problems += failed
        found.summary = f"{counted(count, 'case')}, {found.summary}"


def _print(found: _Found, output: CheckFormat, root: Path | None) -> None:
    match output:
        case CheckFormat.TEXT:
            for line in found.left_out:
                typer.echo(line)
            for warning in found.warnings:
                typer.echo(f"warning: {warning}")
            for problem in found.problems:
                typer.echo(str(problem))
            wrong = counted(len(found.problems), "problem")
            typer.echo(wrong if found.problems else f"all well: {found.summary}")
        case CheckFormat.JSON:
            typer.echo(_json(found))
        case CheckFormat.SARIF | CheckFormat.JUNIT:
            typer.echo(_annotated(found, output, root), nl=False)


def _json(found: _Found) -> str:
    import json

    fields = ("file", "line", "column", "path", "what")
    said = {
        kind: [{name: getattr(each, name) for name in fields} for each in listed]
        for kind, listed in (("problems", found.problems), ("warnings", found.warnings))
    }
    return json.dumps({**said, "left_out": found.left_out}, ensure_ascii=False, indent=2)


def _annotated(found: _Found, output: CheckFormat, root: Path | None) -> str:
    from app import __version__
    from app.main import find_root
    from app.review.report import annotations
    from app.review.revisions import RevisionError, prefix_of

    said = annotations.of_check(found.problems, found.warnings)
    if output is CheckFormat.JUNIT:
        return annotations.junit("banneton check", said, passed=f"all well: {found.summary}")
    try:
        prefix = prefix_of(find_root(root).resolve())
    except RevisionError:  # no repository: paths are the project's own
        prefix = ""
    return annotations.sarif(said, __version__, prefix=prefix)
