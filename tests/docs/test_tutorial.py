"""The pages that people follow do what they say."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, Reader, project

HOW_TO = sorted(path for path in (DOCS / "how-to").glob("*.md") if path.name != "index.md")


def test_the_tutorial_runs_as_it_is_written(tmp_path: Path) -> None:
    """The first page that a newcomer follows would fail under their hands."""
    with ExitStack() as stack:
        Reader(project(tmp_path / "clone"), stack).read(DOCS / "tutorial" / "first-persona.md")


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_a_guide_runs_as_it_is_written(page: Path, tmp_path: Path) -> None:
    """A guide would show commands, files or outputs that are not true."""
    with ExitStack() as stack:
        Reader(project(tmp_path / "clone"), stack).read(page)
