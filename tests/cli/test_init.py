"""``banneton init``, with a terminal and without."""

from pathlib import Path

import pytest

from tests.cli.running import run
from tests.cli.terminal import typed


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project made with all defaults."""
    root = tmp_path_factory.mktemp("made") / "new"
    assert run("init", "--yes", "--root", root).status == 0
    return root


def test_defaults_make_a_project_that_passes(project: Path) -> None:
    """The first thing that a newcomer makes would be wrong."""
    ended = run("check", "--root", project)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("all well: ")
    assert "warning" not in ended.out
    assert (project / ".gitignore").read_text().endswith("var/\n.env\n")
    again = run("init", "ada", "--yes", "--root", project)
    assert again.status == 2
    assert "personas/ada.yaml: is there already, so nothing was written" in again.err
    assert run("render", "ada", "--root", project).out.startswith("You are Ada.")


def test_a_person_is_asked_and_heard(tmp_path: Path) -> None:
    """Questions would not be answered by what is typed, or a mistake end them all."""
    answers = ["99", "1", "Ada Müller", "front desk of a hotel", "", "guests", "en", "desk"]
    status, screen = typed(["init"], [*answers, "opnai", "openai", ""], tmp_path)
    assert status == 0, screen
    assert "That is '99', and there is no such choice" in screen
    assert "did you mean 'openai'?" in screen
    text = (tmp_path / "personas/desk.yaml").read_text("utf-8")
    for line in ('name: "Ada Müller"', "role: front desk of a hotel", "readers: guests"):
        assert line in text
    assert "description" not in text
    assert 'api_key: "${OPENAI_API_KEY}"' in (tmp_path / "banneton.yaml").read_text("utf-8")
    for command in ("banneton check", "export OPENAI_API_KEY=", "banneton chat desk"):
        assert command in screen


def test_only_what_no_flag_says_is_asked_and_ending_writes_nothing(tmp_path: Path) -> None:
    """Somebody who thinks better of it would be left with half a project."""
    flags = ["init", "x", "--from", "tutor", "--name", "Ida", "--role", "tutor"]
    status, screen = typed(flags, ["\x04"], tmp_path)
    assert status == 2
    assert screen.count("> ") == 1
    assert "What is it for" in screen
    assert "Nothing was written." in screen
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (
            [],
            "say --from, --name, --role, --description, --readers, --language, --provider; or",
        ),
        (["-y", "--provider", "groq"], "there is no default for it: say --model"),
        (["-y", "--provider", "opnai"], "did you mean 'openai'?"),
        (["-y", "--from", "tutr"], "did you mean 'tutor'?"),
        (["-y", "--language", "German"], "such as en, zh or pt-BR"),
        (["-y", "--name", "a\nb"], "holds a line break"),
        (["-y", "--policy", "bank"], "is for a persona in a project"),
        (["../x", "-y"], "is no id"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_written(
    flags: list[str], told: str, tmp_path: Path
) -> None:
    """A script would hang at a question, or write what it was not told."""
    ended = run("init", "--root", tmp_path / "new", *flags)
    assert ended.status == 2
    assert told in " ".join(ended.err.split())
    assert not (tmp_path / "new").exists()


def test_a_file_that_is_there_is_named(tmp_path: Path) -> None:
    """Somebody's README would be written over."""
    (tmp_path / "README.md").write_text("mine")
    ended = run("init", "--yes", "--root", tmp_path)
    assert ended.status == 2
    assert ended.err.startswith("README.md: is there already, so nothing was written")
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_a_project_that_would_not_be_right_is_taken_back(project: Path) -> None:
    """A persona would be left in a project that does not load with it."""
    before = sorted(project.rglob("*"))
    ended = run(
        "init", "x", "--from", "bank-service", "--yes", "--root", project, "--provider", "x"
    )
    assert "is for a new project" in ended.err
    policy = project / "policies/baseline.yaml"
    text = policy.read_text("utf-8")
    policy.write_text(text.replace("professional]", "staff]").replace("professional:", "staff:"))
    ended = run("init", "x", "--from", "bank-service", "--yes", "--root", project)
    policy.write_text(text, "utf-8")
    assert ended.status == 2
    assert "policies/bank.yaml" in ended.err
    assert [path for path in sorted(project.rglob("*")) if "var" not in path.parts] == before
