"""Read what other tools keep of a persona or a prompt, and write it as a persona of this project."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.counts import counted
from app.cli.options import ROOT

if TYPE_CHECKING:
    from app.domain.catalog import Catalog
    from app.imports.persona_writer import FoundPersona
    from app.main import Project

FILE = typer.Argument(dir_okay=False, exists=True)
TO = typer.Option(help="The persona's id; without it, one like its name.")
POLICY = typer.Option(help="A policy that is there; without it, the one that extends no other.")
ROUTE = typer.Option(help="A route that is there; without it, 'balanced', or the only one.")


def character_card(
    file: Annotated[Path, FILE],
    *,
    to: Annotated[str | None, TO] = None,
    policy: Annotated[str | None, POLICY] = None,
    route: Annotated[str | None, ROUTE] = None,
    root: Annotated[Path | None, ROOT] = None,
) -> None:
    """Write a character card (V1, V2 or V3; JSON or PNG) as a persona.

    Its lorebook becomes a file of knowledge. Macros become words; no template of it is run. Ends
    with 1 where something is left out, or not as it was.

    Example: banneton import character-card ada.png --to ada
    """
    from app.imports.character_card import read_character_card
    from app.starter.shipped import BASE_PROMPT

    project = _project(root)
    found = read_character_card(file, BASE_PROMPT)
    _write(project, found, (to, policy, route), f"the character card {file.name}")


def prompty(
    file: Annotated[Path, FILE],
    *,
    to: Annotated[str | None, TO] = None,
    policy: Annotated[str | None, POLICY] = None,
    route: Annotated[str | None, ROUTE] = None,
    root: Annotated[Path | None, ROOT] = None,
) -> None:
    """Write a Prompty file (V1, or a draft of V2) as a prompt, a persona and its cases.

    The system's part becomes the template; nothing of it is run. Ends with 1 where something is
    left out, or not as it was.

    Example: banneton import prompty support.prompty --to support
    """
    from app.imports.prompty import read_prompty

    project = _project(root)
    _write(project, read_prompty(file), (to, policy, route), f"Prompty's {file.name}")


def dotprompt(
    file: Annotated[Path, FILE],
    *,
    to: Annotated[str | None, TO] = None,
    policy: Annotated[str | None, POLICY] = None,
    route: Annotated[str | None, ROUTE] = None,
    root: Annotated[Path | None, ROOT] = None,
) -> None:
    """Write a Dotprompt file as a prompt, a persona and its cases.

    The system's part becomes the template; nothing of it is run. Ends with 1 where something is
    left out, or not as it was.

    Example: banneton import dotprompt greeting.prompt --to greeting
    """
    from app.imports.dotprompt import read_dotprompt

    project = _project(root)
    _write(project, read_dotprompt(file), (to, policy, route), f"Dotprompt's {file.name}")


def _project(root: Path | None) -> "Project":
    """The project to write to, never the shipped one.

    Raises:
        BadParameter: There is none.
    """
    from app.main import load_project

    folder = root or Path()
    if not (folder / "banneton.yaml").exists():
        what = "is no project: it has no banneton.yaml; 'banneton init' makes one"
        raise typer.BadParameter(f"{folder.resolve()} {what}", param_hint="--root")
    return load_project(folder, reads_secrets=False)


def _write(
    project: "Project",
    found: "FoundPersona",
    asked: tuple[str | None, str | None, str | None],
    origin: str,
) -> None:
    from app.cli.made import write_persona
    from app.imports.persona_writer import Place, persona_files
    from app.imports.taking import grouped
    from app.starter.wish import id_for, wrong_id

    to, policy, route = asked
    catalog = project.read()
    persona = to or id_for(str(found.persona["name"])) or "imported"
    if wrong := wrong_id(persona):
        raise typer.BadParameter(wrong, param_hint="--to")
    place = Place(persona, _policy(catalog, policy), _route(catalog, route))
    files = persona_files(found, place, origin)
    write_persona(project.root, files, persona)
    for problem in grouped(sorted(set(found.left_out))):
        typer.echo(f"left out: {problem}")
    for name in files:
        typer.echo(str(project.root / name))
    left = counted(len(set(found.left_out)), "thing")
    typer.echo(f"{persona}: {counted(len(files), 'file')}; {left} left out, or not as it was")
    if found.left_out:
        raise typer.Exit(1)


def _policy(catalog: "Catalog", asked: str | None) -> str:
    from app.catalog.wording import unknown

    if asked is None:
        return next(name for name, each in catalog.policies.items() if each.extends is None)
    if asked not in catalog.policies:
        what = unknown("policy", asked, sorted(catalog.policies))
        raise typer.BadParameter(what, param_hint="--policy")
    return asked


def _route(catalog: "Catalog", asked: str | None) -> str:
    from app.catalog.wording import unknown
    from app.starter.start import DEFAULT_ROUTE

    if asked is None and (DEFAULT_ROUTE in catalog.routes or len(catalog.routes) == 1):
        return DEFAULT_ROUTE if DEFAULT_ROUTE in catalog.routes else next(iter(catalog.routes))
    if asked is None or asked not in catalog.routes:
        what = unknown("route", asked or "", sorted(catalog.routes))
        raise typer.BadParameter(what, param_hint="--route")
    return asked
