"""A small project, changed in one way, and what the review of that says."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from app.catalog.files import changed_files
from app.catalog.read import read_deployment
from app.catalog.tier import comparator
from app.guardrails.kinds import KINDS
from app.main import load_project
from app.review.compare import Review, Side, compare

BASE = Path(__file__).parent.parent / "cases" / "review" / "_base"
TODAY = date(2027, 1, 1)

Edits = Mapping[str, Sequence[Sequence[str]] | str | None]
"""By file: pairs of old and new text, or the whole new text, or nothing for a file that goes."""


def changed(root: Path, edits: Edits) -> None:
    """Change files of a project; a text that is not there is a mistake of the table."""
    for file, edit in edits.items():
        path = root / file
        if edit is None:
            path.unlink()
        elif isinstance(edit, str):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(edit, "utf-8")
        else:
            text = path.read_text("utf-8")
            for old, new in edit:
                assert old in text, f"{file} has no {old!r}"
                text = text.replace(old, new)
            path.write_text(text, "utf-8")


def side(root: Path) -> Side:
    """A project as it is compared."""
    project = load_project(root, reads_secrets=False)
    return Side(project.load(), read_deployment(root).sections())


def review_of(folder: Path, edits: Edits, *, today: date = TODAY) -> Review:
    """What changing the base project in this way means."""
    root = folder / "project"
    shutil.copytree(BASE, root)
    changed(root, edits)
    return compare(
        side(BASE),
        side(root),
        is_as_strict=comparator(KINDS),
        today=today,
        files=changed_files(BASE, root),
    )
