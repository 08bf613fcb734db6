"""A project for commands to work on: quick to load, answers from a script."""

from pathlib import Path

import pytest

from tests.e2e.project import write_project

_DEPLOYMENT = """
backends:
  scripted: {type: scripted, script: answers.yaml}
routes:
  balanced: {backend: scripted, model: script}
  hurried: {backend: scripted, model: script}
  nowhere: {backend: scripted, model: script}
  vectors: {backend: scripted, model: words}
  pictures: {backend: scripted, model: script}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project of the test's own."""
    made = write_project(tmp_path / "project", "http://127.0.0.1:9/v1")
    (made / "banneton.yaml").write_text(_DEPLOYMENT)
    (made / "answers.yaml").write_text('rules: [{text: "You said: {{last_user}}"}]\n')
    return made
