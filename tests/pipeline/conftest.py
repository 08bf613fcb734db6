"""A project for exchanges; its routes are never followed, since backends are passed in."""

from pathlib import Path

import pytest

from tests.e2e.project import write_project


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project of the test's own."""
    return write_project(tmp_path / "project", "http://127.0.0.1:9/v1")
