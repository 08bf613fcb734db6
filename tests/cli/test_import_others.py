"""``banneton import`` of cards, prompts and deployments: in a project, whole, and over nothing."""

import base64
from pathlib import Path

import pytest

from app.cli.schemas import schema_texts
from app.starter.provider import provider_named
from app.starter.shipped import Shipped
from app.starter.start import Choice, new_project
from app.starter.wish import Wish
from tests.cli.running import SHIPPED, run
from tests.imports.pictures import picture, plain

FILES = SHIPPED / "tests/cases/imports"
CARD = FILES / "character_card/v2.json"
CONFIG = FILES / "litellm/config.yaml"


_POLICY = """\
audiences: {strictest_first: [minor, public, professional], default: public}
rules:
  - {id: bound, why: Bounded., stages: [input], detect: {length: {max_chars: 9000}}, then: block}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project as ``init`` makes it, without what takes a second to check."""
    wish = Wish("ada", "Ada", "host", "", "", "en")
    files = new_project(Shipped(SHIPPED), Choice(wish), provider_named("local"), {}).files
    made = tmp_path / "project"
    for name, text in {
        **files,
        "schemas/persona.schema.json": schema_texts()["persona.schema.json"],
    }.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text, "utf-8")
    (made / "policies/baseline.yaml").write_text(_POLICY)
    (made / "policies/baseline.cases.yaml").unlink()
    return made


def test_all_of_them_stand_beside_each_other_and_pass(root: Path, tmp_path: Path) -> None:
    """What was imported would not load, or break what is there."""
    card = tmp_path / "maren.png"
    card.write_bytes(picture(plain("chara", base64.b64encode(CARD.read_bytes()))))
    for kind, file, made in (
        ("character-card", card, "maren"),
        ("prompty", FILES / "prompty/v1.prompty", "shop-helper"),
        ("prompty", FILES / "prompty/v2.prompty", "greeter"),
        ("dotprompt", FILES / "dotprompt/greeting.prompt", "greeting"),
    ):
        ended = run("import", kind, file, "--root", root)
        assert (ended.status, ended.err) == (1, "")
        assert f"{root}/personas/{made}.yaml" in ended.out
        assert f"\nLeft out of {file.name}, or not as it was: " in ended.out
        again = run("import", kind, file, "--root", root)
        assert again.status == 2
        assert f"personas/{made}.yaml: is there already" in again.err
    ended = run("import", "litellm", CONFIG, "--root", root, "--replace")
    assert ended.status == 1
    assert "Routes that LiteLLM has not go where 'quick' goes: balanced" in ended.out
    kept = (root / "banneton.before-litellm.yaml").read_text("utf-8")
    assert "smollm2-135m-instruct" in kept
    assert "hunter2" not in "".join(path.read_text("utf-8") for path in root.rglob("*.yaml"))
    checked = run("check", "--root", root)
    assert checked.status == 0, checked.out
    assert "5 personas, 3 policies" in checked.out
    shown = run("render", "maren", "--root", root).out
    assert "You are Maren." in shown
    assert "## Storms" in shown
    assert "Jane" in run("render", "shop-helper", "--var", "firstName=Jane", "--root", root).out


def test_a_deployment_is_put_beside_the_one_that_is_there(root: Path) -> None:
    """A file that works would be written over, or the new one not be whole."""
    before = (root / "banneton.yaml").read_text("utf-8")
    ended = run("import", "litellm", CONFIG, "--root", root)
    assert ended.status == 1
    assert "Compare banneton.litellm.yaml with banneton.yaml" in ended.out
    assert (root / "banneton.yaml").read_text("utf-8") == before
    again = run("import", "litellm", CONFIG, "--root", root)
    assert "policies/litellm.yaml: is there already" in again.err
    (root / "banneton.litellm.yaml").replace(root / "banneton.yaml")
    assert run("check", "--no-cases", "--root", root).status == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["character-card", CARD, "--policy", "basline"], "did you mean 'baseline'?"),
        (["character-card", CARD, "--route", "balance"], "did you mean 'balanced'?"),
        (["character-card", CARD, "--to", "../x"], "is no id"),
        (["character-card", CONFIG], "config.yaml:1:1: is no JSON"),
        (["litellm", CARD], "names no model that can be asked here"),
        (["prompty", FILES / "nothing.prompty"], "does not exist"),
    ],
)
def test_what_cannot_be_is_told(arguments: list[str | Path], told: str, root: Path) -> None:
    """Somebody would be left with half an import, or with a traceback."""
    before = sorted(root.rglob("*"))
    ended = run("import", *arguments, "--root", root)
    assert ended.status == 2
    assert told in " ".join(ended.err.split())
    assert sorted(root.rglob("*")) == before


def test_nothing_is_written_where_there_is_no_project(tmp_path: Path) -> None:
    """A persona would be written beside the shipped ones, or into a folder of pictures."""
    ended = run("import", "character-card", CARD, "--root", tmp_path)
    assert ended.status == 2
    assert "'banneton init' makes one" in " ".join(ended.err.split())
    assert list(tmp_path.iterdir()) == []


def test_a_strangers_text_is_never_run(root: Path, tmp_path: Path) -> None:
    """A card from the web would see what a template sees, or put words into the prompt's rules."""
    card = tmp_path / "card.json"
    card.write_text(
        '{"name": "Eve {{ 7*7 }}", "description": "{{ 7*7 }}{% for x in [1] %}loop{% endfor %}",'
        ' "personality": "{{ persona.name }}", "first_mes": "{{{{user}}}}"}'
    )
    assert run("import", "character-card", card, "--to", "eve", "--root", root).status == 1
    shown = run("render", "eve", "--root", root).out
    assert "49" not in shown
    assert "{{" not in shown
    assert "{%" not in shown
    assert "% for x in [1] %loop% endfor %" in shown
