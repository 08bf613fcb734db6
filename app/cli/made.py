"""Files that a command makes: all or none, and only where the project is right with them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.domain.errors import Problem
    from app.main import Project


def write_persona(
    root: Path, files: Mapping[str, str], persona: str, project: "Project | None" = None
) -> "Project":
    """Write a persona with what it brings; gives the project.

    Args:
        root: The project's folder.
        files: Texts by path.
        persona: The id of the new one.
        project: As it was read; none where the files make it.

    Raises:
        ContentError: A file is there already, or the project would not be right. Nothing stays.
    """
    from app.catalog.new_files import new_files
    from app.domain.errors import ContentError
    from app.main import load_project

    with new_files(root, files):
        project = project or load_project(root, reads_secrets=False)
        if problems := _broken(project, persona, files):
            raise ContentError(problems)
    return project


def _broken(project: "Project", persona: str, files: Mapping[str, str]) -> "tuple[Problem, ...]":
    """What does not hold of the new files' cases.

    Raises:
        ContentError: The project does not load with them.
    """
    import asyncio
    from dataclasses import replace

    from app.evals.cases import cases_of
    from app.evals.run import run_cases
    from app.main import SystemClock

    loaded = project.load()
    cases = cases_of(project.root, loaded.catalog, project.builds)
    prompt = loaded.catalog.personas[persona].prompt
    of_new = replace(
        cases,
        policies={k: each for k, each in cases.policies.items() if f"policies/{k}.yaml" in files},
        prompts={k: each for k, each in cases.prompts.items() if k == prompt},
        personas={k: each for k, each in cases.personas.items() if k == persona},
        suites={},
    )
    return asyncio.run(run_cases(loaded, of_new, SystemClock()))[1]
