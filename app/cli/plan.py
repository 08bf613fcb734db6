"""Say what a change of files changes in meaning."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import ROOT

if TYPE_CHECKING:
    from app.main import Project
    from app.review.compare import Review, Side


class PlanFormat(StrEnum):
    """How a review is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    SARIF = "sarif"
    JSON = "json"


def plan(
    *,
    base: Annotated[str, typer.Option(help="The revision to compare with, such as origin/main.")],
    root: Annotated[Path | None, ROOT] = None,
    output: Annotated[PlanFormat, typer.Option("--format", help="How to print.")] = PlanFormat.TEXT,
) -> None:
    """Say what the files as they are now weaken, change and strengthen since a revision.

    Compares what the files mean, not how they are written, and each composed prompt. What is not
    committed yet counts. Ends with 1 where anything is weaker, 2 where either revision does not
    load.

    Example: banneton plan --base origin/main
    """
    from app import __version__
    from app.main import load_project
    from app.review import report
    from app.review.revisions import prefix_of

    project = load_project(root, reads_secrets=False)
    review = _review(project, base)
    if output is PlanFormat.SARIF:
        prefix = prefix_of(project.root)
        typer.echo(report.sarif(review, __version__, prefix=prefix), nl=False)
    else:
        typer.echo(report.FORMATS[output](review), nl=False)
    if review.is_weaker:
        raise typer.Exit(1)


def _review(project: "Project", base: str) -> "Review":
    from dataclasses import replace

    from app.catalog.files import CONTENT_FOLDERS, DEPLOYMENT_FILE, changed_files
    from app.catalog.tier import comparator
    from app.main import SystemClock
    from app.review.compare import compare
    from app.review.revisions import files_at

    with files_at(project.root, base, (*CONTENT_FOLDERS, DEPLOYMENT_FILE)) as folder:
        before = _side(replace(project, root=folder), f"at {base}")
        after = _side(project, "now")
        return compare(
            before,
            after,
            is_as_strict=comparator(project.builds.kinds),
            today=SystemClock().now().date(),
            files=changed_files(folder, project.root),
        )


def _side(project: "Project", when: str) -> "Side":
    """A revision that loads.

    Raises:
        BannetonError: It does not; every problem of it.
    """
    from app.catalog.read import read_deployment
    from app.domain.errors import BannetonError, ContentError
    from app.review.compare import Side

    try:
        return Side(project.load(), read_deployment(project.root).sections())
    except ContentError as exc:
        raise BannetonError(f"the files do not load as they are {when}:\n{exc}") from None
