"""Read what other tools keep of a persona or a prompt, and write it as a persona here."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.counts import counted
from app.cli.options import ROOT

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.domain.catalog import Catalog
    from app.domain.errors import Problem
    from app.imports.persona_writer import FoundPersona
    from app.main import Project

FILE = typer.Argument(help="What the other tool wrote.", dir_okay=False, exists=True)
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

    project = writable_project(root)
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

    project = writable_project(root)
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

    project = writable_project(root)
    _write(project, read_dotprompt(file), (to, policy, route), f"Dotprompt's {file.name}")


def writable_project(root: Path | None) -> "Project":
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
    from app.starter.wish import id_for, wrong_id

    to, policy, route = asked
    catalog = project.read()
    persona = to or id_for(str(found.persona["name"])) or "imported"
    if wrong := wrong_id(persona):
        raise typer.BadParameter(wrong, param_hint="--to")
    place = Place(persona, _policy(catalog, policy), _route(catalog, route))
    files = persona_files(found, place, origin)
    write_persona(project.root, files, persona, project)
    tell_made(project.root, files)
    tell_left_out(found.left_out)


def tell_made(root: Path, files: "Collection[str]") -> None:
    """Which files there are now."""
    typer.echo("Made")
    for name in files:
        typer.echo(f"  {root / name}")


def tell_left_out(left_out: "Collection[Problem]") -> None:
    """What is lost, and what to do about it; ends with 1 where there is any.

    Raises:
        Exit: Something is left out.
    """
    from app.imports.persona_writer import one_line
    from app.imports.taking import listed

    if not left_out:
        return
    files = ", ".join(sorted({each.file for each in left_out}))
    left = counted(len(set(left_out)), "thing")
    typer.echo(f"\nLeft out of {files}, or not as it was: {left}")
    for where, what in listed(left_out):
        typer.echo(f"  {one_line(where)}\n      {one_line(what)}")
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
