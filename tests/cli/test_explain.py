"""``banneton explain``: what came of every rule, and which line says so."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Ended, run
from tests.review.projects import BASE, changed

Json = Any


RULES = """rules:
  - {id: watched, stages: [input], detect: {words: {words: [hmm]}}, then: block, mode: observe}
  - {id: minors-only, stages: [input], detect: {words: {words: [beer]}}, then: {minor: block}}
  - {id: images, stages: [input], detect: {links: {kinds: [image]}}, then: block}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The project of the reviews, with a rule for every fate."""
    made = tmp_path / "project"
    shutil.copytree(BASE, made)
    changed(made, {"policies/shop.yaml": [["rules:\n", RULES]]})
    return made


def explained(root: Path, text: str, *options: str) -> tuple[Ended, Json]:
    """The explanation as JSON, its rules by id."""
    ended = run(
        "explain", "--persona", "sam", "--root", root, "--text", text, "--format", "json", *options
    )
    made = json.loads(ended.out)
    return ended, {**made, "rules": {rule["rule"]: rule for rule in made["rules"]}}


def place(root: Path, at: Json) -> str:
    """The line that a place names."""
    lines = (root / at["file"]).read_text("utf-8").splitlines()
    return str(lines[at["line"] - 1]).strip()


def test_what_applied_and_which_lines_say_so(root: Path) -> None:
    """A product manager would change the wrong line, or the file that is overruled."""
    ended, made = explained(root, "heck, hmm", "--audience", "minor")
    assert (ended.status, made["outcome"], made["policy"]) == (1, "block", "shop")
    slurs = made["rules"]["slurs"]
    assert slurs["fate"] == "applied"
    (hit,) = slurs["hits"]
    assert (hit["action"], hit["step"]) == ("block", {"at": 0.9, "do": "block"})
    assert slurs["rule_at"]["file"] == "policies/house.yaml"
    assert place(root, slurs["detect_at"]) == "detect: {words: {words: [darn, heck]}}"
    assert place(root, slurs["then_at"]) == "public: [{at: 0.5, do: flag}, {at: 0.9, do: block}]"
    assert slurs["then_at"]["key"] == "rules[0].then.public"
    watched = made["rules"]["watched"]
    assert (watched["fate"], watched["hits"][0]["action"]) == ("observed", "block")
    assert watched["then_at"]["file"] == "policies/shop.yaml"
    assert "mode: observe" in place(root, watched["mode_at"])


def test_a_waiver_is_named_with_its_line(root: Path) -> None:
    """Nobody would see why a rule is weaker than its file says."""
    ended, made = explained(root, "heck")
    slurs = made["rules"]["slurs"]
    (hit,) = slurs["hits"]
    assert (made["audience"], hit["action"], hit["step"]["do"]) == ("public", "flag", "block")
    (waiver,) = slurs["waivers"]
    assert (waiver["to"], waiver["approved_by"]) == ("flag", "@org/safety")
    assert place(root, waiver["at"]) == "- rule: slurs"
    assert ended.status == 1
    shown = run("explain", "--persona", "sam", "--root", root, "--text", "heck").out
    assert "slurs → flag (a waiver lowers 'block')" in shown
    assert "approved by @org/safety: The comedians test it.  [policies/shop.yaml:" in shown


def test_what_looked_and_did_nothing(root: Path) -> None:
    """Nobody would see that a rule is near its threshold, or never looked."""
    ended, made = explained(root, "beer at http://10.1.2.3/x", "--audience", "professional")
    fates = {name: rule["fate"] for name, rule in made["rules"].items()}
    assert fates["slurs"] == "clean"
    assert fates["minors-only"] == "below"
    assert made["rules"]["minors-only"]["first_step"] is None
    assert fates["rivals"] == fates["advice"] == "elsewhere"
    assert fates["images"] == "others"
    assert (ended.status, made["outcome"]) == (0, "allow")
    shown = run("explain", "--policy", "shop", "--root", root, "--audience", "professional",
                "--text", "beer")  # fmt: skip
    assert shown.status == 0
    assert "minors-only: words gave score 1.00; nothing follows for this audience" in shown.out


def test_another_policy_and_another_stage(root: Path) -> None:
    """Somebody could not see what a persona would do under another policy."""
    under = ("--policy", "loose", "--root", root, "--stage", "output", "--format", "json")
    ended = run("explain", "--text", "heck", *under)
    made = json.loads(ended.out)
    assert (made["policy"], made["stage"], made["outcome"]) == ("loose", "output", "flag")
    _, made = explained(root, "invest in Rivalo", "--stage", "output")
    assert {name for name, rule in made["rules"].items() if rule["hits"]} == {"advice", "rivals"}
    assert ended.status == 1


def test_the_text_is_not_repeated(root: Path) -> None:
    """What somebody tries would turn up in the log of a CI run."""
    for options in ((), ("--format", "json")):
        text = "darn, planted at http://10.1.2.3/zzqx"
        ended = run("explain", "--persona", "sam", "--root", root, "--text", text, *options)
        assert "slurs" in ended.out
        assert not any(word in ended.out for word in ("planted", "darn", "10.1.2", "zzqx"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--text", "x"), "name one of --persona and --policy"),
        (("--persona", "nobody", "--text", "x"), "no such persona"),
        (("--persona", "sam:nobody", "--text", "x"), "no such variant"),
        (("--policy", "nobody", "--text", "x"), "no such policy"),
        (("--persona", "sam", "--audience", "nobody", "--text", "x"), "no such audience"),
    ],
)
def test_what_is_not_there_is_a_message(root: Path, arguments: tuple[str, ...], said: str) -> None:
    """Somebody who mistypes a name would get a traceback, or an empty explanation."""
    ended = run("explain", "--root", root, *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err
    assert "Traceback" not in ended.err
