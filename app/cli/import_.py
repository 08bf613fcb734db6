"""Read what was written for other tools, and write it as content of this project."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import import_litellm, import_personas
from app.cli.counts import counted
from app.cli.options import ROOT

if TYPE_CHECKING:
    from app.imports.found import Found
    from app.main import Project

cli = typer.Typer(
    help="Read what was written for other tools, and write it as files of this project.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

PERSONA = typer.Option(help="The persona that is asked.")
TO = typer.Option(help="The suite's id: the file is evals/<id>.yaml.")
JUDGE = typer.Option(help="The route to a model that judges, for what asks one.")


@cli.command()
def promptfoo(
    file: Annotated[Path, typer.Argument(help="promptfooconfig.yaml.", dir_okay=False)],
    *,
    persona: Annotated[str, PERSONA],
    to: Annotated[str, TO] = "promptfoo",
    user: Annotated[
        str | None,
        typer.Option(
            help="The variable that holds what the user says. Without it, the prompts are filled "
            "in and said."
        ),
    ] = None,
    judge: Annotated[str | None, JUDGE] = None,
    root: Annotated[Path | None, ROOT] = None,
) -> None:
    """Write the tests of a promptfoo configuration as a suite, and list what is left out.

    Templates are filled in where they name a variable, and never executed. Ends with 1 where
    something is left out.

    Example: banneton import promptfoo promptfooconfig.yaml --persona tutor --user question
    """
    from app.imports.promptfoo import Wishes, read_promptfoo

    project = _project(root, judge)
    found = read_promptfoo(file, Wishes(user, judge))
    _write(project, found, persona, to, f"promptfoo's {file.name}")


@cli.command(name="openai-evals")
def openai_evals(
    files: Annotated[
        list[Path],
        typer.Argument(help="Entries of the registry (YAML), and samples (JSONL).", dir_okay=False),
    ],
    *,
    persona: Annotated[str, PERSONA],
    to: Annotated[str, TO] = "openai-evals",
    judge: Annotated[str | None, JUDGE] = None,
    root: Annotated[Path | None, ROOT] = None,
) -> None:
    """Write OpenAI evals as a suite, and list what is left out.

    Samples are looked for among the files, and where the registry keeps them. Ends with 1 where
    something is left out.

    Example: banneton import openai-evals allergens.yaml samples.jsonl --persona host
    """
    from app.imports.openai_evals import read_openai_evals

    project = _project(root, judge)
    found = read_openai_evals(files, judge)
    _write(project, found, persona, to, f"OpenAI's {files[0].name}")


def _project(root: Path | None, judge: str | None) -> "Project":
    from app.catalog.wording import unknown
    from app.main import load_project

    project = load_project(root, reads_secrets=False)
    routes = project.read().routes
    if judge is not None and judge not in routes:
        raise typer.BadParameter(unknown("route", judge, sorted(routes)), param_hint="judge")
    return project


def _write(project: "Project", found: "Found", persona: str, to: str, origin: str) -> None:
    from app.catalog.files import is_id
    from app.catalog.wording import unknown
    from app.domain.errors import ContentError
    from app.evals.cases import cases_of, siblings_of
    from app.imports.suite_writer import write_suite

    catalog = project.read()
    if persona not in catalog.personas:
        said = unknown("persona", persona, sorted(catalog.personas))
        raise typer.BadParameter(said, param_hint="persona")
    if not is_id(to) or "." in to:
        raise typer.BadParameter("is no id of a suite: letters, digits, '_', '-'", param_hint="to")
    path = project.root / "evals" / f"{to}.yaml"
    if path.exists():
        raise typer.BadParameter(f"{path} is there already; choose another name", param_hint="to")
    written = write_suite(found, persona, catalog, siblings_of(project.builds), origin)
    for problem in written.left_out:
        typer.echo(f"left out: {problem}")
    if not written.cases:
        typer.echo("nothing could be carried over, so nothing was written", err=True)
        raise typer.Exit(2)
    path.parent.mkdir(exist_ok=True)
    path.write_text(written.text, "utf-8")
    try:
        cases_of(project.root, catalog, project.builds)
    except ContentError:
        path.unlink()
        raise
    left = counted(len(written.left_out), "thing")
    typer.echo(f"{path}: {counted(written.cases, 'case')}; {left} left out")
    if written.left_out:
        raise typer.Exit(1)


cli.command("character-card")(import_personas.character_card)
cli.command()(import_personas.prompty)
cli.command()(import_personas.dotprompt)
cli.command()(import_litellm.litellm)
