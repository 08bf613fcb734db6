"""The commands that read a project's files: check, render, guard, schemas."""

import json
import shutil
from pathlib import Path

import pytest

from app.cli.counts import counted
from tests.cli.running import SHIPPED, run

BAD = SHIPPED / "tests/cases/bad_catalogs"
MISTAKES = sorted(path.parent.name for path in BAD.glob("*/expected.txt"))
STAND_INS = (
    (
        "prompts/assistant.md.j2",
        "Talk to {{ variables.customer_name }}.",
        "{% for each in behaviours %}{{ each.instruct }} {% endfor %}Talk to {{ customer_name }}.",
    ),
)
"""What the good catalog has only for tests of the catalog alone, and what the command knows."""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_check_says_what_is_wrong_and_ends_with_1(mistake: str, tmp_path: Path) -> None:
    """A mistake that the reader of files finds would be told in other words, or let through.

    ``check.txt`` stands beside ``expected.txt`` where the whole command says more than the catalog
    can by itself, or less: it asks for no secret.
    """
    root = tmp_path / "project"
    shutil.copytree(BAD / "_good", root)
    for file, old, new in STAND_INS:
        (root / file).write_text((root / file).read_text("utf-8").replace(old, new), "utf-8")
    shutil.copytree(BAD / mistake, root, dirs_exist_ok=True)
    of_check = BAD / mistake / "check.txt"
    said = of_check if of_check.exists() else BAD / mistake / "expected.txt"
    expected = said.read_text("utf-8").splitlines()
    ended = run("check", "--root", root)
    assert ended.status == (1 if expected else 0)
    if expected:
        told = [each for each in ended.out.splitlines() if not each.startswith("warning: ")]
        assert sorted(told[:-1]) == sorted(expected)
        assert told[-1] == counted(len(expected), "problem")
    assert ended.err == ""
    ended = run("check", "--root", root, "--format", "json")
    assert len(json.loads(ended.out)["problems"]) == len(expected)


def test_check_of_a_good_project(root: Path) -> None:
    """CI would be red for nothing."""
    ended = run("check", "--root", root)
    assert ended.status == 0
    assert ended.out.startswith("all well: 0 cases, 12 personas, 2 policies, sha256:")
    assert json.loads(run("check", "--root", root, "--format", "json").out) == {
        "problems": [],
        "warnings": [],
        "left_out": [],
    }


def test_check_runs_cases(root: Path) -> None:
    """A policy could stop doing what people expect of it, and check would say that all is well."""
    (root / "policies/root.cases.yaml").write_text(
        "cases:\n"
        "  - {id: banned words are blocked, text: please ask-banned, expect: block}\n"
        "  - {id: greetings are too, text: hello, expect: {minor: block}}\n"
    )
    (root / "personas/lexi.cases.yaml").write_text(
        "cases: [{id: of costs, scenario: review, renders: {contains: [the costs, taxes]}}]\n"
    )
    (root / "personas/conduct.cases.yaml").write_text(
        "cases:\n"
        "  - {id: numbered, answer: 1. Go., conduct: {numbered: held, no-shouting: held}}\n"
        "  - {id: not numbered, answer: Go., conduct: {numbered: held}}\n"
    )
    ended = run("check", "--root", root)
    assert ended.status == 1
    found = "for minor the outcome is allow, not block"
    failed = "the behaviour numbered is failed, not held"
    assert ended.out.splitlines() == [
        f"policies/root.cases.yaml: cases[1] (greetings are too): {found}",
        f"personas/conduct.cases.yaml: cases[1] (not numbered): {failed}",
        "personas/lexi.cases.yaml: cases[0] (of costs): the prompt lacks 'taxes'",
        "3 problems",
    ]
    assert run("check", "--root", root, "--no-cases").status == 0


def test_render(root: Path) -> None:
    """A product manager would read something else than the model."""
    ended = run(
        "render", "lexi:brisk", "--root", root, "--scenario", "review", "--var", "customer=7"
    )
    assert ended.status == 0
    assert ended.out.startswith(
        "You are Rex, explainer.\nNumber your steps.\nBegin with the costs."
    )
    assert "tokens (estimated), sha256:" in ended.err
    made = json.loads(run("render", "lexi", "--root", root, "--format", "json").out)
    lines = made["text"].split("\n")
    assert [one["line"] for one in made["provenance"]] == list(range(1, len(lines) + 1))
    beside = run("render", "lexi", "--root", root, "--provenance").out.splitlines()
    assert beside[1].startswith("personas/lexi.yaml:9 behaviours[0].instruct")
    assert beside[1].endswith("│ Number your steps.")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("render", "nobody"), "no such persona"),
        (("render", "lexi:nobody"), "no such variant"),
        (("render", "lexi", "--scenario", "nobody"), "scenario"),
        (("render", "lexi", "--var", "nobody=1"), "nobody"),
        (("render", "lexi", "--var", "nobody"), "name=value"),
        (("guard", "nobody", "text"), "no such policy"),
        (("guard", "root", "text", "--audience", "nobody"), "no such audience"),
        (("records", "list", "--outcome", "nobody"), "outcome"),
        (("records", "list", "--limit", "0"), "limit"),
        (("records", "list", "--cursor", "nobody"), "cursor"),
        (("keys", "create", "--name", "x", "--persona", "nobody"), "nobody"),
        (("keys", "create", "--name", "x", "--audience", "nobody"), "nobody"),
    ],
)
def test_what_is_not_there_is_a_message(root: Path, arguments: tuple[str, ...], said: str) -> None:
    """Somebody who mistypes a name would get a traceback, or status 0."""
    if arguments[0] == "records":
        run("keys", "create", "--name", "x", "--root", root)  # makes the ledger
    ended = run(*arguments, "--root", root)
    assert ended.status == 2
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_guard(root: Path) -> None:
    """A reviewer would not see what a policy makes of a text, for whom."""
    ended = run("guard", "root", "grown-up and please", "--root", root)
    assert ended.status == 1
    rows = {line.split()[0]: line for line in ended.out.splitlines() if line.strip()}
    assert "grown-up → block" in rows["minor"]
    assert "grown-up → flag" in rows["public"]
    assert "none" in rows["professional"]
    made = run("guard", "root", "mail a.b@example.org", "--root", root, "--format", "json")
    public = json.loads(made.out)["public"]
    assert (made.status, public["outcome"]) == (1, "pseudonymize")
    assert public["texts"]["text"].startswith("mail EMAIL_ADDRESS_")
    assert run("guard", "root", "hello", "--root", root).status == 0
    output = run("guard", "root", "say-banned", "--root", root, "--stage", "output")
    assert output.status == 1


def test_schemas(tmp_path: Path) -> None:
    """An editor could not complete the files of a project that somebody begins."""
    ended = run("schemas", "--to", tmp_path / "new/schemas")
    assert ended.status == 0
    written = sorted(path.name for path in (tmp_path / "new/schemas").iterdir())
    assert written == [
        "approval.schema.json", "banneton.schema.json", "cases.schema.json", "persona.schema.json",
        "policy.schema.json", "script.schema.json", "suite.schema.json",
    ]  # fmt: skip
    for name in written:
        assert json.loads((tmp_path / "new/schemas" / name).read_text("utf-8"))["$schema"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("guard", "rooot", "hi"), "policy: is 'rooot', and there is no such policy; did you mean"),
        (("explain", "--policy", "rooot", "--text", "x"), "there is no such policy; did you mean"),
        (("calibrate", "--policy", "rooot"), "there is no such policy; did you mean 'root'?"),
        (("render", "lexie"), "persona: is 'lexie', and there is no such persona; did you mean"),
        (("render", "lexi:none"), "persona: is 'none', and there is no such variant"),
        (("explain", "--persona", "lexie", "--text", "x"), "did you mean 'lexi'?"),
        (("explain", "--text", "x"), "name one of --persona and --policy"),
        (("explain", "--persona", "lexi", "--policy", "root", "--text", "x"), "name one of"),
        (("keys", "create", "--name", "x", "--expires", "2020-01-01"), "is in the past"),
        (("serve", "--port", "99999"), "less than or equal to 65535"),
    ],
)
def test_what_is_mistyped_on_the_command_line_comes_with_a_remedy(
    root: Path, arguments: tuple[str, ...], says: str
) -> None:
    """Somebody at a terminal would be sent to an HTTP endpoint, or told nothing at all."""
    ended = run(*arguments, "--root", root)
    assert ended.status == 2
    assert says in " ".join(ended.err.replace("│", " ").split())
    assert "GET /v1" not in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("records", "verify"),
        ("records", "list"),
        ("records", "export"),
        ("records", "key"),
        ("appeals", "list"),
        ("keys", "list"),
        ("keys", "revoke", "x"),
    ],
)
def test_a_ledger_that_is_not_there_is_not_intact(root: Path, arguments: tuple[str, ...]) -> None:
    """A wrong folder would be called intact, and get an empty ledger of its own."""
    ended = run(*arguments, "--root", root)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("There is no ledger yet: ")
    assert not (root / "var").exists()
