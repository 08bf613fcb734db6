"""``banneton import`` writes a suite that ``check`` takes, or nothing."""

from itertools import chain
from pathlib import Path

import pytest

from tests.cli.running import SHIPPED, run
from tests.docs.pages import project

CONFIG = SHIPPED / "tests/cases/imports/promptfoo/promptfooconfig.yaml"
ENTRIES = SHIPPED / "tests/cases/imports/openai_evals/registry/evals/fees.yaml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The shipped project with the demo's persona."""
    return project(tmp_path / "clone", "host")


def test_a_suite_is_written_and_what_is_left_out_is_listed(root: Path) -> None:
    """Somebody would believe that all their cases had moved."""
    ended = run(
        "import", "promptfoo", CONFIG, "--persona", "host", "--user", "question", "--root", root
    )
    assert ended.status == 1
    lines = ended.out.splitlines()
    assert lines[-1].endswith("promptfoo.yaml: 8 cases; 10 things left out")
    assert all(line.startswith("left out: ") for line in lines[:-1])
    listed = "".join(f"#   {line.removeprefix('left out: ')}\n" for line in lines[:-1])
    assert listed in (root / "evals/promptfoo.yaml").read_text("utf-8")
    again = run("import", "promptfoo", CONFIG, "--persona", "host", "--root", root)
    assert (again.status, "there already" in again.err) == (2, True)


def test_openai_evals_are_written_with_a_judge(root: Path) -> None:
    """What asked a model would be left out although a judge was named."""
    ended = run(
        "import", "openai-evals", ENTRIES, "--persona", "host", "--judge", "small", "--root", root
    )
    assert ended.status == 1
    assert "judge:" in (root / "evals/openai-evals.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("option", "value"),
    [("--persona", "hots"), ("--judge", "smal"), ("--to", "a.b"), ("--to", "../a")],
)
def test_what_is_not_there_is_named(root: Path, option: str, value: str) -> None:
    """A suite would be written that cannot be read, or outside the project."""
    given: dict[str, str | Path] = {"--persona": "host", "--root": root, option: value}
    ended = run("import", "promptfoo", CONFIG, *chain.from_iterable(given.items()))
    assert ended.status == 2
    assert not list((root / "evals").glob("*promptfoo*"))


def test_where_nothing_can_be_carried_over_nothing_is_written(root: Path, tmp_path: Path) -> None:
    """An empty suite would look like proof."""
    config = tmp_path / "c.yaml"
    config.write_text("prompts: ['{{q}}']\ntests: [{vars: {q: hi}, assert: [{type: python}]}]\n")
    ended = run("import", "promptfoo", config, "--persona", "host", "--root", root)
    assert ended.status == 2
    assert not (root / "evals/promptfoo.yaml").exists()
