"""``banneton plan``: against real repositories."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from jsonschema import Draft4Validator

from app.review.revisions import RevisionError, files_at
from tests.cli.running import run
from tests.review.projects import BASE, Edits, changed


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody without settings of their own."""
    about = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    who = (
        "-c",
        "user.name=Ann",
        "-c",
        "user.email=ann@example.org",
        "-c",
        "init.defaultBranch=main",
    )
    ended = subprocess.run(  # noqa: S603  # git itself
        ["git", "-C", str(folder), *who, *arguments],  # noqa: S607  # whichever git there is
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, **about},  # noqa: TID251  # passed on, not read
    )
    return ended.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The base project, committed."""
    root = tmp_path / "repository"
    shutil.copytree(BASE, root)
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "begin")
    return root


SARIF = Path(__file__).parent.parent / "schemas" / "sarif-schema-2.1.0.json"
WEAKER: Edits = {"policies/house.yaml": [["{at: 0.9, do: block}", "{at: 0.95, do: block}"]]}
STRICTER: Edits = {"policies/house.yaml": [["{at: 0.9, do: block}", "{at: 0.8, do: block}"]]}
PROMPT: Edits = {"prompts/assistant.md.j2": [["You are", "```\nYou are | <b>"]]}


@pytest.mark.parametrize(
    ("edits", "status"),
    [({}, 0), (STRICTER, 0), (PROMPT, 0), (WEAKER, 1), ({**WEAKER, **PROMPT}, 1)],
)
@pytest.mark.parametrize("is_committed", [False, True])
def test_what_is_weaker_ends_with_1(
    repository: Path, edits: Edits, status: int, *, is_committed: bool
) -> None:
    """CI would be green for a weaker policy, or red for a stricter one."""
    git(repository, "branch", "base")
    changed(repository, edits)
    if is_committed and edits:
        git(repository, "commit", "--quiet", "--all", "--message", "change")
    before = _state(repository)
    ended = run("plan", "--base", "base", "--root", repository)
    assert (ended.status, ended.err) == (status, "")
    assert re.search(r"^\d weaker, \d changed, \d stricter, \d cosmetic; ", ended.out, re.MULTILINE)
    assert _state(repository) == before, "the working tree was touched"


def _state(repository: Path) -> tuple[str, dict[str, bytes]]:
    files = {
        path.relative_to(repository).as_posix(): path.read_bytes()
        for path in sorted(repository.rglob("*"))
        if path.is_file() and (path.name != "index" or ".git" not in path.parts)
    }
    return git(repository, "status", "--porcelain"), files


def test_markdown_is_one_comment(repository: Path) -> None:
    """A comment in the pull request would be broken by what stands in a prompt."""
    changed(repository, {**WEAKER, **PROMPT})
    ended = run("plan", "--base", "HEAD", "--root", repository, "--format", "markdown")
    lines = ended.out.splitlines()
    assert lines[0] == "<!-- banneton plan -->"
    assert "**something is weaker than before**" in lines[1]
    rows = [line for line in lines if line.startswith("| `policies/house.yaml:8`")]
    assert rows
    assert all(line.count(" | ") == 3 for line in rows)
    # The prompt holds a fence of three, so that the diff's is longer, and closes each time.
    opened = [line for line in lines if line.endswith("`diff")]
    assert opened
    assert set(opened) == {"````diff"}
    assert lines.count("````") == len(opened)
    assert sum("<details>" in line for line in lines) == sum("</details>" in line for line in lines)


def test_sarif_names_lines_of_the_repository(repository: Path) -> None:
    """Code scanning would refuse the file, or show a finding beside the wrong line."""
    project = repository / "deploy" / "my project"
    project.mkdir(parents=True)
    for name in ("banneton.yaml", "answers.yaml", *(p.name for p in BASE.iterdir() if p.is_dir())):
        git(repository, "mv", name, f"deploy/my project/{name}")
    git(repository, "commit", "--quiet", "--message", "move")
    changed(
        project, {**WEAKER, "policies/shop.yaml": [["extends: house", "# Ours\nextends: house"]]}
    )
    ended = run("plan", "--base", "HEAD", "--root", project, "--format", "sarif")
    assert ended.status == 1
    log = json.loads(ended.out)
    assert (log["version"], log["$schema"].rsplit("/", 1)[-1]) == (
        "2.1.0",
        "sarif-schema-2.1.0.json",
    )
    Draft4Validator(json.loads(SARIF.read_text("utf-8"))).validate(log)
    (made,) = log["runs"]
    assert set(made) <= {"tool", "results", "columnKind"}
    driver = made["tool"]["driver"]
    assert driver["name"] == "banneton"
    rules = {rule["id"] for rule in driver["rules"]}
    assert made["results"]
    for result in made["results"]:
        keys = {"ruleId", "level", "message", "locations", "partialFingerprints"}
        assert set(result) == keys
        assert result["ruleId"] in rules
        assert result["level"] in {"none", "note", "warning", "error"}
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
        path = repository / place["artifactLocation"]["uri"].replace("%20", " ")
        line = path.read_text("utf-8").splitlines()[place["region"]["startLine"] - 1]
        assert "do: block}" in line
    levels = {result["level"] for result in made["results"]}
    assert levels == {"error"}  # what is cosmetic is no result


def test_json_says_everything(repository: Path) -> None:
    """A script would have to read what is written for people."""
    changed(repository, {**WEAKER, **PROMPT})
    ended = run("plan", "--base", "HEAD", "--root", repository, "--format", "json")
    made = json.loads(ended.out)
    first = made["changes"][0]
    assert first == {
        "effect": "weaker",
        "concern": "then",
        "what": "from score 0.9 to below 0.95 'block' becomes 'flag'",
        "rule": "slurs",
        "audiences": ["minor", "public"],
        "stages": ["input", "output"],
        "policies": ["house"],
        "personas": ["ann"],
        "file": "policies/house.yaml",
        "line": 8,
        "id": made["weakenings"][0]["id"],
    }
    assert made["counts"]["weaker"] == 3
    assert made["before"] != made["after"]
    prompt = made["prompts"][0]
    assert prompt["persona"] == "ann"
    assert "+You are | <b> Ann, librarian." in prompt["diff"]
    assert prompt["tokens"]["before"] < prompt["tokens"]["after"]


def test_what_cannot_be_compared_ends_with_2(repository: Path, tmp_path: Path) -> None:
    """CI would take a review that did not happen for one that found nothing."""
    ended = run("plan", "--base", "nowhere", "--root", repository)
    assert ended.status == 2
    assert "there is no revision 'nowhere' here; fetch it first" in ended.err
    ended = run("plan", "--base", "--all", "--root", repository)
    assert ended.status == 2
    outside = tmp_path / "outside"
    shutil.copytree(BASE, outside)
    ended = run("plan", "--base", "HEAD", "--root", outside)
    assert ended.status == 2
    assert "not a git repository" in ended.err
    for ended in (
        run("plan", "--base", "nowhere", "--root", repository),
        run("plan", "--base", "HEAD", "--root", outside),
    ):
        assert (ended.out, "Traceback" in ended.err) == ("", False)


def test_files_that_do_not_load_are_said_with_their_lines(repository: Path) -> None:
    """Somebody would look for the mistake in the wrong revision."""
    changed(repository, {"policies/house.yaml": [["then: steer", "then: steep"]]})
    ended = run("plan", "--base", "HEAD", "--root", repository)
    assert ended.status == 2
    assert "the files do not load as they are now:" in ended.err
    assert "policies/house.yaml:18:11: rules[2].then" in ended.err
    git(repository, "commit", "--quiet", "--all", "--message", "mistake")
    changed(repository, {"policies/house.yaml": [["then: steep", "then: steer"]]})
    ended = run("plan", "--base", "HEAD", "--root", repository)
    assert ended.status == 2
    assert "the files do not load as they are at HEAD:" in ended.err
    assert "policies/house.yaml:18:11" in ended.err
    assert "banneton-" not in ended.err  # the folder that they were put in is none of theirs


def test_links_stay_inside(repository: Path, tmp_path: Path) -> None:
    """A revision could make the review read, and print, any file of the machine."""
    inside = repository / "knowledge" / "more.md"
    inside.symlink_to("terms.md")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "link")
    with files_at(repository, "HEAD", ("knowledge",)) as folder:
        assert (folder / "knowledge/more.md").read_text() == "Returns within 30 days.\n"
        assert not (folder / "policies").exists()
    secret = tmp_path / "secret.md"
    secret.write_text("the secret")
    inside.unlink()
    inside.symlink_to(secret)
    git(repository, "commit", "--quiet", "--all", "--message", "leads out")
    with (
        pytest.raises(RevisionError, match="leads out"),
        files_at(repository, "HEAD", ("knowledge",)),
    ):
        pass


def test_attributes_of_git_hide_nothing(repository: Path) -> None:
    """A file could be kept out of review by an attribute that only archives look at."""
    (repository / ".gitattributes").write_text("policies/* export-ignore\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "hide")
    with files_at(repository, "HEAD", ("policies",)) as folder:
        assert (folder / "policies/house.yaml").is_file()


WAIVER = """
extends: house
waivers:
  - rule: advice
    audience: public
    to: flag
    reason: We try it.
    approved_by: BY
    expires: 2090-01-01
"""
APPROVAL = [["routes:", "waivers: {approval: codeowners}\nroutes:"]]


@pytest.mark.parametrize(
    ("before", "approver", "says"),
    [
        ("/policies/ @ann", "@ann", ""),
        ("/policies/ @ann", "@eve", "approved_by is '@eve', who does not own policies/new.yaml"),
        ("", "@eve", "approved_by cannot approve: CODEOWNERS names no owner of policies/new.yaml"),
    ],
)
def test_nobody_makes_themselves_the_owner_who_approves(
    repository: Path, before: str, approver: str, says: str
) -> None:
    """A change that names its author in CODEOWNERS would approve its own waiver."""
    old_waiver = [["@org/safety", "@ann"]] if before else []
    changed(repository, {"banneton.yaml": APPROVAL, "policies/shop.yaml": old_waiver})
    if before:
        (repository / "CODEOWNERS").write_text(f"{before}\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "owners")
    (repository / "CODEOWNERS").write_text("* @eve @ann @org/safety\n")
    (repository / "policies" / "new.yaml").write_text(WAIVER.replace("BY", f'"{approver}"'))
    assert run("check", "--root", repository, "--no-cases").status == 0
    ended = run("plan", "--base", "HEAD", "--root", repository)
    told = [line for line in ended.out.splitlines() if "a waiver is not approved" in line]
    assert [says in line for line in told] == ([True] if says else [])
    assert ended.status == (1 if says else 0)


def test_each_revision_is_read_with_its_own_deployment(repository: Path) -> None:
    """A change that takes out an endpoint with the rule that asked it could not be reviewed."""
    endpoint = 'endpoints: {fraud: {type: webhook, url: "${AT}", secret: "${KEY}"}}\n'
    rule = "  - {id: hook, stages: [input], detect: {webhook: {endpoint: fraud}}, then: flag}\n"
    with (repository / "banneton.yaml").open("a") as file:
        file.write(endpoint)
    changed(repository, {"policies/loose.yaml": [["rules:\n", f"rules:\n{rule}"]]})
    git(repository, "commit", "--quiet", "--all", "--message", "ask")
    git(repository, "checkout", "--quiet", "HEAD~1", "--", "banneton.yaml", "policies")
    ended = run("plan", "--base", "HEAD", "--root", repository)
    assert (ended.status, ended.err) == (1, "")
    assert "rule hook: is gone" in ended.out


def test_an_approval_is_written_and_counts(repository: Path) -> None:
    """What was approved would stay red, or be approved on the command line alone."""
    changed(
        repository, {"policies/house.yaml": [["{at: 0.9, do: block}", "{at: 0.95, do: block}"]]}
    )
    plan = ("plan", "--base", "HEAD", "--root", repository)
    listed = json.loads(run(*plan, "--format", "json").out)["weakenings"]
    assert len(listed) == 3
    for index, each in enumerate(listed):
        ended = run(
            *(*plan, "--approve-weakening", each["id"]),
            *(
                "--by",
                "@org/safety",
                "--reason",
                'It is "fine": a trial',
                "--expires",
                "2090-01-01",
            ),
        )
        assert f"wrote approvals/{each['id']}.yaml; commit it" in ended.err
        assert ended.status == (0 if index == 2 else 1)
    ended = run(*plan)
    assert ended.status == 0
    assert "Weaker, and approved:" in ended.out
    assert "by @org/safety on 20" in ended.out
    assert 'until 2090-01-01: It is "fine": a trial' in ended.out
    assert ended.out.splitlines()[-1].startswith("3 weaker (3 approved), 0 changed")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "loosen")
    ended = run(*plan)
    assert ended.status == 0
    assert ended.out.count("what it approves is not in this change  (remove the file)") == 0
    assert ended.out.count("what it approves is not in this change") == 3
    ended = run("approvals", "--root", repository)
    assert ended.out.endswith("3 approvals\n")
    ended = run("approvals", "--root", repository, "--sign", listed[0]["id"])
    assert json.loads(ended.out)["what"] == listed[0]["what"]


def test_an_approval_has_to_say_who_and_why(repository: Path) -> None:
    """Something would be let through, and nobody could be asked about it."""
    plan = ("plan", "--base", "HEAD", "--root", repository)
    changed(repository, WEAKER)
    for given in (
        ("--approve-weakening", "w-1", "--by", "@ann"),
        ("--approve-weakening", "w-1", "--reason", "a trial"),
        ("--approve-weakening", "w-1", "--reason", " ", "--by", "@ann"),
        ("--reason", "a trial"),
        ("--approve-weakening", "w-1", "--reason", "a trial", "--by", "@ann"),
        ("--approve-weakening", "../w", "--reason", "a trial", "--by", "@ann"),
    ):
        ended = run(*plan, *given)
        assert (ended.status, ended.out) == (2, ""), given
    ended = run(*plan, "--approve-weakening", "../w", "--reason", "a trial", "--by", "@ann")
    assert "nothing of the id '../w' is weaker; there are: w-" in ended.err
    assert not (repository / "approvals").exists()


@pytest.mark.parametrize(("approver", "status"), [("@ann", 0), ("@eve", 1)])
def test_nobody_makes_themselves_the_owner_who_lets_a_rule_go(
    repository: Path, approver: str, status: int
) -> None:
    """A change that names its author in CODEOWNERS would approve what it makes weaker."""
    changed(
        repository, {"banneton.yaml": APPROVAL, "policies/shop.yaml": [["@org/safety", "@ann"]]}
    )
    (repository / "CODEOWNERS").write_text("* @ann\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "owners")
    changed(repository, {"policies/loose.yaml": [["[input, output]", "[input]"]]})
    (repository / "CODEOWNERS").write_text("* @eve @ann\n")
    plan = ("plan", "--base", "HEAD", "--root", repository)
    (weakening,) = json.loads(run(*plan, "--format", "json").out)["weakenings"]
    wish = ("--approve-weakening", weakening["id"], "--by", approver, "--reason", "a trial")
    assert run(*plan, *wish).status == status
    assert run("check", "--root", repository, "--no-cases").status == 0  # they own it now
    ended = run(*plan)
    assert ended.status == status
    assert ("'@eve' did not own" in ended.out) == bool(status)


def test_every_report_is_written_beside(repository: Path, tmp_path: Path) -> None:
    """CI would have to run the plan once for each report."""
    changed(repository, {**WEAKER, **PROMPT})
    names = ("a.md", "a.summary.md", "a.html", "a.sarif", "a.xml", "a.codequality.json", "a.json")
    writes = [part for name in names for part in ("--write", str(tmp_path / name))]
    ended = run("plan", "--base", "HEAD", "--root", repository, *writes)
    assert ended.status == 1
    assert all((tmp_path / name).stat().st_size for name in names)
    again = run("plan", "--base", "HEAD", "--root", repository, "--format", "markdown")
    assert again.out == (tmp_path / "a.md").read_text("utf-8")
    assert (tmp_path / "a.codequality.json").read_text("utf-8").startswith("[")
    ended = run("plan", "--base", "HEAD", "--root", repository, "--write", tmp_path / "a.pdf")
    assert ended.status == 2


@pytest.mark.parametrize("wanted", ["sarif", "junit"])
def test_check_annotates_lines(repository: Path, wanted: str) -> None:
    """A mistake would only be told in a log that nobody opens."""
    changed(repository, {"policies/house.yaml": [["then: steer", "then: steep"]]})
    ended = run("check", "--root", repository, "--format", wanted)
    assert ended.status == 1
    assert "policies/house.yaml" in ended.out
    assert "did you mean 'steer'?" in ended.out
    git(repository, "checkout", "--quiet", ".")
    ended = run("check", "--root", repository, "--format", wanted)
    assert ended.status == 0
    assert '"results": []' in ended.out or "all well" in ended.out
