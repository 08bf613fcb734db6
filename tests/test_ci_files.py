"""The GitHub Action, the GitLab template and the hooks: each step run in a shell, on a repository.

GitHub and GitLab themselves are not there: what a step asks them for, a program on PATH notes down.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.catalog.yaml_source import read_document
from tests.cli.test_plan import PROMPT, WEAKER, git
from tests.review.projects import BASE, Edits, changed

ROOT = Path(__file__).parent.parent
_EXPRESSION = re.compile(r"\$\{\{ *(.+?) *\}\}")


def loaded(file: str) -> Any:  # noqa: ANN401  # YAML of others' kinds
    """A file, as strict YAML."""
    return read_document(ROOT / file, ROOT).plain()


@dataclass
class Runner:
    """Runs the steps of a job, one after another, as a runner does."""

    folder: Path
    repository: Path
    known: dict[str, str] = field(default_factory=dict)
    """What expressions stand for."""

    def __post_init__(self) -> None:
        self.bin = self.folder / "bin"
        self.bin.mkdir()

    def program(self, name: str, text: str) -> None:
        """Put a program on PATH."""
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def run(self, script: str, env: Mapping[str, str], *, name: str = "bash") -> int:
        """Run a script as GitHub runs ``shell: bash``; gives how it ended."""
        options = ["--noprofile", "--norc", "-eo", "pipefail"] if name == "bash" else ["-e"]
        ended = subprocess.run(  # noqa: S603  # a shell, with scripts of this repository
            [name, *options, "-c", script],
            cwd=self.repository,
            env={
                "PATH": f"{self.bin}:{os.environ['PATH']}",  # noqa: TID251  # passed on
                "PYTHONPATH": str(ROOT),
                "HOME": str(self.folder),
                "RUNNER_TEMP": str(self.folder),
                "GITHUB_OUTPUT": str(self.folder / "output"),
                "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
                **env,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        self.said = ended.stdout + ended.stderr
        return ended.returncode

    def step(self, step: Mapping[str, Any]) -> int:
        """Run a step with its expressions evaluated, and take up its outputs."""
        env = {name: self.evaluated(value) for name, value in step.get("env", {}).items()}
        status = self.run(step["run"], env)
        output = self.folder / "output"
        for line in output.read_text().splitlines() if output.exists() else ():
            name, _, value = line.partition("=")
            self.known[f"steps.{step['id']}.outputs.{name}"] = value
        return status

    def evaluated(self, text: str) -> str:
        """A text with every expression replaced; one that nobody knows is a mistake."""
        return _EXPRESSION.sub(lambda found: self._value(found[1]), text)

    def _value(self, expression: str) -> str:
        return next(
            (self.known[each] for each in expression.split(" || ") if self.known.get(each)), ""
        )


@pytest.fixture
def runner(tmp_path: Path, repository: Path) -> Runner:
    """A runner with a checkout whose remote holds the base, and Banneton as if installed."""
    clone = tmp_path / "checkout"
    git(tmp_path, "clone", "--quiet", str(repository), str(clone))
    made = Runner(tmp_path, clone)
    scripts = tmp_path / "banneton" / "bin"
    scripts.mkdir(parents=True)
    banneton = f'#!/bin/sh\nexec "{sys.executable}" -m app "$@"\n'
    (scripts / "banneton").write_text(banneton)
    (scripts / "banneton").chmod(0o755)
    made.known = {
        "inputs.root": ".",
        "inputs.evals": "false",
        "inputs.fail": "true",
        "inputs.token": "a-token",
        "github.base_ref": "main",
        "github.repository": "org/repo",
        "github.event.pull_request.number": "7",
    }
    return made


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The base project, committed."""
    root = tmp_path / "repository"
    root.mkdir()
    for path in BASE.rglob("*"):
        target = root / path.relative_to(BASE)
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "begin")
    return root


ACTION = loaded("action.yml")
STEPS: Mapping[str, Mapping[str, Any]] = {
    each["id"]: each for each in ACTION["runs"]["steps"] if "id" in each
}
BROKEN: Edits = {"policies/house.yaml": [["then: steer", "then: `steep`"]]}


@pytest.mark.parametrize(
    ("edits", "status", "says"),
    [
        (PROMPT, "0", "nothing is weaker"),
        (WEAKER, "1", "something is weaker than before"),
        (BROKEN, "2", "nobody can say what this does"),
    ],
)
def test_the_action_plans(runner: Runner, edits: Edits, status: str, says: str) -> None:
    """A pull request would be green for a weaker policy, or its summary say something else."""
    changed(runner.repository, edits)
    if status == "0":  # the usual checkout has one commit, and the base has to be fetched
        git(runner.repository, "update-ref", "-d", "refs/remotes/origin/main")
    assert runner.step(STEPS["plan"]) == 0, runner.said
    assert runner.known["steps.plan.outputs.status"] == status
    assert says in (runner.folder / "summary.md").read_text()
    reports = Path(runner.known["steps.plan.outputs.reports"])
    assert says in (reports / "plan.md").read_text()
    if status != "2":
        assert json.loads((reports / "plan.sarif").read_text())["version"] == "2.1.0"


@pytest.mark.parametrize(
    ("status", "fails", "ends"),
    [("0", "true", 0), ("1", "true", 1), ("1", "false", 0), ("2", "true", 2), ("2", "false", 2)],
)
def test_when_the_job_fails(runner: Runner, status: str, fails: str, ends: int) -> None:
    """A job that only tells could pass where nobody could say anything."""
    runner.known |= {"inputs.fail": fails, "steps.plan.outputs.status": status}
    assert runner.step(STEPS["result"]) == ends


GH = """#!/bin/sh
echo "$@" >> "$HOME/asked"
case "$*" in *--paginate*) cat "$HOME/known" ;; *) exit "$(cat "$HOME/status")" ;; esac
"""


@pytest.mark.parametrize(
    ("known", "status", "asked", "says"),
    [
        ("", 0, "--method POST repos/org/repo/issues/7/comments", ""),
        ("41\n42\n", 0, "--method PATCH repos/org/repo/issues/comments/41", ""),
        ("", 1, "--method POST", "::notice::No comment could be written"),
    ],
)
def test_there_is_one_comment(
    runner: Runner, known: str, status: int, asked: str, says: str
) -> None:
    """Each push would add a comment; or a fork's pull request fail for want of a token."""
    runner.program("gh", GH)
    (runner.folder / "known").write_text(known)
    (runner.folder / "status").write_text(str(status))
    runner.known["steps.plan.outputs.reports"] = str(runner.folder)
    assert runner.step(STEPS["comment"]) == 0
    calls = (runner.folder / "asked").read_text().splitlines()
    assert len(calls) == 2
    assert "repos/org/repo/issues/7/comments --jq" in calls[0]
    assert asked in calls[1]
    assert f"body=@{runner.folder}/plan.md" in calls[1]
    assert says in runner.said


def test_no_input_is_run_as_code() -> None:
    """A branch could be named so that a runner with a token runs it."""
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        assert "shell" in step or "uses" in step
        used = step.get("uses", "")
        assert not used or re.fullmatch(r"[\w.-]+/[\w./-]+@(v\d+|[0-9a-f]{40})", used)
    known = {f"inputs.{name}" for name in ACTION["inputs"]}
    text = (ROOT / "action.yml").read_text()
    assert set(re.findall(r"inputs\.[a-z-]+", text)) == known
    assert set(re.findall(r"steps\.([a-z]+)\.", text)) <= set(STEPS)


CURL = """#!/bin/sh
echo "$@" >> "$HOME/asked"
case "$*" in
  *page=1*) cat "$HOME/known" ;;
  *page=*) echo "[]" ;;
esac
"""


@pytest.mark.parametrize(
    ("known", "token", "asked"),
    [
        (
            [{"id": 5, "body": "hello"}, {"id": 6, "body": "<!-- banneton plan -->\n…"}],
            "t",
            "--request PUT",
        ),
        ([], "", ""),
    ],
)
def test_gitlab_gets_one_note(
    runner: Runner, known: list[Mapping[str, object]], token: str, asked: str
) -> None:
    """A merge request would get a note for each push, or a fork's fail for want of a token."""
    job = loaded("deploy/gitlab/banneton.gitlab-ci.yml")["banneton-plan"]
    variables = loaded("deploy/gitlab/banneton.gitlab-ci.yml")["variables"]
    changed(runner.repository, WEAKER)
    scripts = runner.repository / ".banneton-venv"
    scripts.symlink_to(runner.folder / "banneton", target_is_directory=True)
    runner.program("curl", CURL)
    runner.program("python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (runner.folder / "known").write_text(json.dumps(known))
    env = {
        **variables,
        "BANNETON_TOKEN": token,
        "CI_API_V4_URL": "https://gitlab.example.org/api/v4",
        "CI_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    }
    script = "\n".join(job["script"][1:])  # but for the installation
    assert runner.run(script, env, name="sh") == 1, runner.said
    reports = runner.repository / "banneton-reports"
    assert "something is weaker" in (reports / "plan.md").read_text()
    quality = json.loads((reports / "plan.codequality.json").read_text())
    assert quality[0]["location"] == {"path": "policies/house.yaml", "lines": {"begin": 8}}
    for report in job["artifacts"]["reports"].values():
        assert (runner.repository / report).is_file()
    calls = (runner.folder / "asked").read_text() if (runner.folder / "asked").exists() else ""
    assert bool(calls) is bool(asked)
    assert asked in calls
    if known:
        assert "notes/6" in calls


def test_hooks_are_commands_that_there_are() -> None:
    """Whoever adds a hook would see it fail at their next commit."""
    file = ROOT / ".pre-commit-hooks.yaml"
    validate = [sys.executable, "-m", "pre_commit", "validate-manifest", str(file)]
    subprocess.run(validate, check=True, timeout=60)  # noqa: S603  # pre-commit itself
    for hook in loaded(".pre-commit-hooks.yaml"):
        command = [*hook["entry"].split()[1:], *hook.get("args", ()), "--help"]
        ended = subprocess.run(  # noqa: S603  # this Python
            [sys.executable, "-m", "app", *command], cwd=ROOT, capture_output=True, check=False
        )
        assert ended.returncode == 0, hook["id"]
        pattern = re.compile(hook["files"])
        assert pattern.search("policies/house.yaml")
        assert pattern.search("deploy/mine/banneton.yaml")
        assert not pattern.search("src/policies.py")
