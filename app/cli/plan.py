"""Say what a change of files changes in meaning."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from app.cli.options import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.catalog.approvals import Owners
    from app.main import Project
    from app.review.compare import Review, Side


T = TypeVar("T")


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
    from app.catalog.files import CONTENT_FOLDERS, DEPLOYMENT_FILE, changed_files
    from app.catalog.tier import comparator
    from app.main import SystemClock, load_project
    from app.review.compare import compare
    from app.review.revisions import files_at

    with files_at(project.root, base, (*CONTENT_FOLDERS, DEPLOYMENT_FILE)) as folder:
        was = _loading(lambda: load_project(folder, reads_secrets=False), f"at {base}")
        before, after = _side(was, f"at {base}"), _side(project, "now")
        today = SystemClock().now().date()
        return compare(
            before,
            after,
            is_as_strict=comparator({**was.builds.kinds, **project.builds.kinds}),
            today=today,
            files=changed_files(folder, project.root),
            unapproved=was.unapproved(
                after.catalog,
                today,
                lambda: _owners_at(project.root, base),
                since=before.catalog,
            ),
        )


def _side(project: "Project", when: str) -> "Side":
    from app.catalog.read import read_deployment
    from app.review.compare import Side

    return _loading(lambda: Side(project.load(), read_deployment(project.root).sections()), when)


def _loading(work: "Callable[[], T]", when: str) -> "T":
    """What a revision gives that loads.

    Raises:
        BannetonError: It does not; every problem of it.
    """
    from app.domain.errors import BannetonError, ContentError

    try:
        return work()
    except ContentError as exc:
        raise BannetonError(f"the files do not load as they are {when}:\n{exc}") from None


def _owners_at(root: Path, base: str) -> "Owners":
    """Who owned the project's files at a revision; nobody where it does not say."""
    from pathlib import PurePosixPath

    from codeowners import CodeOwners

    from app.catalog.approvals import Owners, read_owners
    from app.domain.errors import ContentError
    from app.review.revisions import file_at, prefix_of

    folder = PurePosixPath(prefix_of(root))
    try:
        return read_owners(lambda place: file_at(root, base, place), folder)
    except ContentError:
        return Owners(CodeOwners(""), folder)
