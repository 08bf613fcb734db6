"""Read what LiteLLM's proxy is configured with, and write it as a deployment of this project."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.import_personas import FILE, tell_left_out, tell_made, writable_project
from app.cli.options import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.main import Project

_NAME = "litellm"
_DEPLOYMENT = "banneton.yaml"


def litellm(
    file: Annotated[Path, FILE],
    *,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Write banneton.yaml itself; the old one is kept as banneton.before-litellm.yaml.",
        ),
    ] = False,
    root: Annotated[Path | None, ROOT] = None,
) -> None:
    """Write the config.yaml of LiteLLM's proxy as backends, routes, prices and rules.

    It goes into banneton.litellm.yaml, for you to compare with banneton.yaml, and rules into
    policies/litellm.yaml. A secret that stands in plain text is not copied. Ends with 1 where
    something is left out, or not as it was.

    Example: banneton import litellm config.yaml
    """
    from app.catalog.files import DEPLOYMENT_FILE
    from app.catalog.new_files import new_files
    from app.catalog.yaml_source import read_document
    from app.imports.litellm_config import read_litellm

    project = writable_project(root)
    catalog = project.read()
    found = read_litellm(file)
    origin = f"LiteLLM's {file.name}"
    there = read_document(project.root / DEPLOYMENT_FILE, project.root).plain()
    rest = there if isinstance(there, dict) else {}
    files: dict[str, str] = {}
    if found.rules:
        base = next(name for name, each in catalog.policies.items() if each.extends is None)
        files[f"policies/{_NAME}.yaml"] = found.policy(base, origin)
    deployment = found.text(catalog.routes.keys(), rest, origin)
    _try(project, {**files, _DEPLOYMENT: deployment})
    before = (project.root / _DEPLOYMENT).read_text("utf-8")
    kept = {f"banneton.before-{_NAME}.yaml": before} if replace else {}
    made = kept or {f"banneton.{_NAME}.yaml": deployment}
    with new_files(project.root, {**files, **made}):
        if replace:
            (project.root / _DEPLOYMENT).write_text(deployment, "utf-8")
    tell_made(project.root, [*files, *made, *([_DEPLOYMENT] if replace else [])])
    missing = sorted(catalog.routes.keys() - found.routes.keys())
    if missing:
        first = next(iter(found.routes))
        typer.echo(f"\nRoutes that LiteLLM has not go where '{first}' goes: {', '.join(missing)}")
    if found.rules:
        typer.echo(f"A persona with 'policy: {_NAME}' is served under these rules.")
    if not replace:
        typer.echo(f"Compare banneton.{_NAME}.yaml with {_DEPLOYMENT}, then put it in its place.")
    tell_left_out(found.left_out)


def _try(project: "Project", files: "Mapping[str, str]") -> None:
    """Load the project with other files, somewhere else.

    Raises:
        ContentError: It would not be right.
    """
    import tempfile
    from dataclasses import replace as replaced
    from shutil import copytree

    from app.catalog.files import CONTENT_FOLDERS
    from app.main import load_project

    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder)
        for name in (*CONTENT_FOLDERS, "evals", "approvals"):
            if (project.root / name).is_dir():
                copytree(project.root / name, trial / name)
        for name, text in files.items():
            (trial / name).write_text(text, "utf-8")
        loaded = load_project(trial, reads_secrets=False)
        # What was built for the project itself need not be built once more.
        replaced(loaded, builds=project.builds).load()
