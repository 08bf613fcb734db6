"""Say what a change of files changes in meaning, and for recorded traffic and cases."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import ROOT

if TYPE_CHECKING:
    from app.cli.approving import Wish
    from app.main import Project
    from app.review.plan import Plan


class PlanFormat(StrEnum):
    """How a plan is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    SUMMARY = "summary"
    """Markdown with more room than a comment has."""
    HTML = "html"
    SARIF = "sarif"
    JUNIT = "junit"
    CODE_QUALITY = "codequality"
    JSON = "json"


class Engine(StrEnum):
    """Where records are decided again."""

    LOCAL = "local"
    RAY = "ray"


def plan(  # noqa: PLR0913  # the options of the command line
    *,
    base: Annotated[str, typer.Option(help="The revision to compare with, such as origin/main.")],
    records: Annotated[
        str | None,
        typer.Option(
            help="Recorded decisions to make again: a .jsonl or .parquet file, or ledger."
        ),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="Where records are decided again: here, or on Ray.")
    ] = Engine.LOCAL,
    rerun: Annotated[
        bool,
        typer.Option("--rerun", help="With --records ledger: look again at text that was kept."),
    ] = False,
    evals: Annotated[
        bool, typer.Option("--evals", help="Also measure metrics, on recorded answers.")
    ] = False,
    suite: Annotated[
        list[str] | None, typer.Option(help="Only this suite of evals; may come more than once.")
    ] = None,
    route: Annotated[
        str | None, typer.Option(help="The way to a model that all personas take in evals.")
    ] = None,
    approve_weakening: Annotated[
        str | None, typer.Option(help="Record that what has this id may be weaker.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why it may be weaker.")] = "",
    by: Annotated[str, typer.Option(help="Who approves it, as CODEOWNERS has them.")] = "",
    expires: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The last day of the approval."),
    ] = None,
    write: Annotated[
        list[Path] | None,
        typer.Option(
            help="Also write it, by the ending: .md, .summary.md, .html, .sarif, .xml, .json."
        ),
    ] = None,
    root: Annotated[Path | None, ROOT] = None,
    output: Annotated[PlanFormat, typer.Option("--format", help="How to print.")] = PlanFormat.TEXT,
) -> None:
    """Say what the files as they are now weaken, change and strengthen since a revision.

    Compares what the files mean, not how they are written, and each composed prompt. What is not
    committed yet counts. Ends with 0 where nothing is weaker, or all that is has been approved; 1
    where anything is weaker, a recorded decision ends less severely, or a metric is worse beyond
    noise; 2 where nobody can say.

    Example: banneton plan --base origin/main
    """
    from app.cli.approving import Wish, approve
    from app.main import SystemClock, load_project
    from app.plan_evals import evaluated
    from app.planning import Records, plan_of, replayed_of, revisions

    targets = [(path, _format_of(path)) for path in write or ()]
    wanted = Records(records or "", engine is Engine.RAY, rerun)
    if rerun and records != "ledger":
        raise typer.BadParameter(
            "looks at text that was kept, so it needs --records ledger", param_hint="--rerun"
        )
    project = load_project(root, reads_secrets=False)
    now = SystemClock().now()
    wish = _wish(Wish(approve_weakening or "", reason, by, expires))
    with revisions(project, base, now) as made:
        measured = evaluated(made, suite or (), route) if evals or suite else None
        replayed = replayed_of(project, made, wanted) if wanted.source else None
        found = plan_of(made, now, replayed=replayed, evaluated=measured)
        if wish is not None:
            found, path = approve(found, made, wish)
            typer.echo(f"wrote {path.relative_to(project.root)}; commit it", err=True)
    for path, each in targets:
        path.write_text(_printed(found, each, project), "utf-8")
    if output is PlanFormat.TEXT:
        _print_text(found)
    else:
        typer.echo(_printed(found, output, project), nl=False)
    if found.is_weaker:
        raise typer.Exit(1)


def _wish(wish: "Wish") -> "Wish | None":
    if not wish.id:
        if wish.reason or wish.by or wish.expires:
            what = "--reason, --by and --expires belong to --approve-weakening"
            raise typer.BadParameter(what)
        return None
    for name, said in (("--reason", wish.reason), ("--by", wish.by)):
        if not said.strip():
            raise typer.BadParameter("is needed with --approve-weakening", param_hint=name)
    return wish


_ENDINGS = {
    ".summary.md": PlanFormat.SUMMARY,
    ".md": PlanFormat.MARKDOWN,
    ".html": PlanFormat.HTML,
    ".sarif": PlanFormat.SARIF,
    ".xml": PlanFormat.JUNIT,
    ".codequality.json": PlanFormat.CODE_QUALITY,
    ".json": PlanFormat.JSON,
}


def _format_of(path: Path) -> PlanFormat:
    for ending, wanted in _ENDINGS.items():
        if path.name.endswith(ending):
            return wanted
    what = f"'{path.name}' must end in one of {', '.join(_ENDINGS)}"
    raise typer.BadParameter(what, param_hint="--write")


def _print_text(plan: "Plan") -> None:
    from rich.console import Console

    from app.review.report.contents import page_of
    from app.review.report.terminal import print_page

    print_page(page_of(plan), Console())


def _printed(plan: "Plan", output: PlanFormat, project: "Project") -> str:
    from app.review.report.formats import WRITERS
    from app.review.revisions import prefix_of

    return WRITERS[output](plan, prefix_of(project.root))
