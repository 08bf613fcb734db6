"""Run the cases that are conversations, and say what came of them."""

from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.evals.results import CaseRun, EvalRun
    from app.evaluate import Evaluated, Wish
    from app.main import Project

_JOURNALS = "var/eval"


class Answers(StrEnum):
    """Where answers come from."""

    RECORDED = "recorded"
    RECORD = "record"
    LIVE = "live"


class As(StrEnum):
    """How results are printed."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    CSV = "csv"
    HTML = "html"


def eval_(  # noqa: PLR0913  # options of a command
    *,
    suite: Annotated[
        list[str] | None, typer.Option(help="Only this suite; may come more than once.")
    ] = None,
    persona: Annotated[
        list[str] | None, typer.Option(help="Only cases of this persona; may come more than once.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="Only cases with this tag; may come more than once.")
    ] = None,
    case: Annotated[
        list[str] | None, typer.Option(help="Only the case of this id; may come more than once.")
    ] = None,
    answers: Annotated[
        Answers,
        typer.Option(
            help="recorded: nobody is asked. record: models are asked for what is not recorded. "
            "live: models are asked for everything."
        ),
    ] = Answers.RECORDED,
    route: Annotated[
        str | None, typer.Option(help="The way to a model that all personas take.")
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(help="How often each case is run; else as it says.", min=1)
    ] = None,
    seed: Annotated[
        int, typer.Option(help="For models that take one; repeats count on from it.", min=0)
    ] = 0,
    at_once: Annotated[
        int, typer.Option(help="How many cases are run at the same time.", min=1, max=256)
    ] = 4,
    max_cost: Annotated[
        float | None, typer.Option(help="What models may cost, in USD.", min=0)
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="How many tokens models may read and write.", min=0)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that was stopped.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove recordings that nothing asks for any more.")
    ] = False,
    output: Annotated[As, typer.Option("--format", help="How to print.")] = As.TEXT,
    to: Annotated[
        Path | None, typer.Option(help="Write the results into this file instead.")
    ] = None,
    root: Annotated[Path | None, ROOT] = None,
) -> None:
    """Play the conversations of evals/ and personas/*.cases.yaml, and check what must hold.

    Ends with 0 where all held, 1 where something failed, and 2 where nothing failed but something
    could not be scored or run. Judges that have not shown that they agree with people stop nothing.

    Example: banneton eval --suite bank --format html --to eval.html
    """
    from app.domain.errors import RequestError
    from app.domain.recording import AnswersFrom
    from app.evals.ceiling import Ceiling
    from app.evals.run_suites import Options, Selection
    from app.evaluate import Wish
    from app.main import load_project

    selection = Selection(
        frozenset(suite or ()),
        frozenset(persona or ()),
        frozenset(tag or ()),
        frozenset(case or ()),
    )
    options = Options(AnswersFrom(answers), route, repeats, seed, at_once)
    wish = Wish(selection, options, Ceiling(max_cost, max_tokens))
    if resume and answers is Answers.RECORDED:
        what = "--resume: a run on recorded answers costs nothing; run it again without"
        raise RequestError(what)
    project = load_project(root, reads_secrets=answers is not Answers.RECORDED)
    found = _run(project, wish, resumes=resume)
    _write(_printed(found.run, output), to)
    _tell_stale(project, found, prunes=prune)
    raise typer.Exit(status(found.run))


def status(run: "EvalRun") -> int:
    """0 where all that gates held, 1 where some of it failed, 2 where nobody knows of the rest."""
    from app.evals.results import CaseState

    gating = {each.state for each in run.runs if each.gates}
    if CaseState.FAILED in gating:
        return 1
    return 2 if gating else 0


def _run(project: "Project", wish: "Wish", *, resumes: bool) -> "Evaluated":
    import asyncio
    from functools import partial

    from app.domain.recording import AnswersFrom
    from app.evals.journal import Journal
    from app.evaluate import evaluate

    is_short = wish.options.answers is AnswersFrom.RECORDED
    journal = None if is_short else partial(Journal, project.root / _JOURNALS)
    with _progress() as on_result:
        running = evaluate(
            project, project.load(), wish, journal, resumes=resumes, on_result=on_result
        )
        return asyncio.run(running)


@contextmanager
def _progress() -> "Iterator[Callable[[CaseRun, int], None]]":
    """Shows how far the run is, where somebody looks at a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from app.evals.report import counted_states

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=None)
        seen: list[CaseRun] = []

        def show(run: "CaseRun", of: int) -> None:
            seen.append(run)
            progress.update(bar, total=of, completed=len(seen), description=counted_states(seen))

        yield show


def _printed(run: "EvalRun", output: As) -> str:
    from app.evals import report
    from app.evals.html_report import html_report
    from app.evals.junit import junit_xml
    from app.evals.results import results_json

    match output:
        case As.TEXT:
            return "\n".join(report.text_report(run)) + "\n"
        case As.JSON:
            return results_json(run).decode()
        case As.JUNIT:
            return junit_xml("banneton eval", list(report.junit_suites(run)))
        case As.CSV:
            return report.csv_report(run)
        case As.HTML:
            return html_report(run)


def _write(text: str, to: Path | None) -> None:
    if to is None:
        typer.echo(text, nl=False)
    else:
        to.write_bytes(text.encode())
        typer.echo(f"the results are in {to}", err=True)


def _tell_stale(project: "Project", found: "Evaluated", *, prunes: bool) -> None:
    """Name the recordings that nothing asks for, or remove them."""
    import asyncio

    from app.catalog.recordings import RecordingFiles
    from app.cli.counts import counted

    if not found.stale:
        return
    for each in found.stale:
        typer.echo(f"asked for no more: {each.suite}/{each.case} ({each.purpose})", err=True)
    count = counted(len(found.stale), "recording")
    if prunes:
        files = RecordingFiles(project.root)
        asyncio.run(files.remove([each.key for each in found.stale]))
        typer.echo(f"{count} removed", err=True)
    else:
        typer.echo(f"{count} asked for no more; --prune removes them", err=True)
