"""What ``banneton init`` makes is right, whatever it starts from and whatever it is told."""

import asyncio
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest

from app.catalog.new_files import new_files
from app.cli.schemas import schema_texts
from app.domain.errors import ContentError
from app.domain.persona import Persona
from app.evals.cases import cases_of
from app.evals.run import run_cases
from app.guardrails.kinds import KINDS
from app.guardrails.plan import Builds
from app.main import SystemClock, load_project
from app.starter.provider import provider_named, provider_names
from app.starter.shipped import Shipped
from app.starter.start import Choice, Start, new_persona, new_project, wish_like
from app.starter.wish import Wish, id_for, wrong_id, wrong_line

SHIPPED = Shipped(Path(__file__).parent.parent.parent)
BUILDS = Builds(KINDS)
"""Of all projects here, so that each detector is built once."""
PLAIN = Wish("ada", "Ada", "front desk", "Answers guests.", "guests", "match-user")
ODD = (
    "no",
    "1.0",
    "~",
    "a: #b",
    "- 'x' \"y\" \\",
    "*star",
    "&a",
    "!t",
    "| > %",
    "银行 小助手",
    "Ünïcode, [x] {y}",
    "null",
    "@at `tick",
    "=",
    "2026-11-22",
    "\U0001f950 Robin's",
)


def made(root: Path, start: Start, persona: str) -> Persona:
    """Write it, load it, and run its own cases; gives the persona."""
    with new_files(root, start.files):
        project = replace(load_project(root, reads_secrets=False), builds=BUILDS)
        loaded = project.load()
        cases = cases_of(root, loaded.catalog, BUILDS)
        _, problems = asyncio.run(run_cases(loaded, replace(cases, policies={}), SystemClock()))
        assert [str(problem) for problem in problems] == []
        return loaded.catalog.personas[persona]


@pytest.mark.parametrize("origin", SHIPPED.personas)
def test_a_project_from_a_shipped_persona_is_right(origin: str, tmp_path: Path) -> None:
    """Somebody would begin with a project that does not pass its own checks."""
    like = wish_like(SHIPPED.personas[origin], origin)
    wish = replace(like, id="my-own", name="Wilhelmina", readers="people of ours", language="fr")
    start = new_project(SHIPPED, Choice(wish, origin), provider_named("openai"), {})
    persona = made(tmp_path / "changed", start, "my-own")
    assert (persona.name, persona.identity.readers) == ("Wilhelmina", "people of ours")
    assert (persona.voice.language, persona.identity.role) == ("fr", like.role)
    text = start.files["personas/my-own.yaml"]
    assert like.name not in text.replace("Wilhelmina", "")
    unchanged = new_project(SHIPPED, Choice(like, origin), provider_named("local"), {}).files
    for name, taken in unchanged.items():
        if name.startswith(("personas/", "policies/", "knowledge/", "evals/")):
            assert taken == (SHIPPED.root / name).read_text("utf-8"), name


@pytest.mark.parametrize(
    ("odd", "origin"), list(zip(ODD, cycle([None, "bank-service", "host"]), strict=False))
)
def test_answers_mean_what_was_typed(odd: str, origin: str | None, tmp_path: Path) -> None:
    """YAML would read a name as a number, as false, or not at all."""
    assert wrong_line(odd) == ""
    wish = Wish("odd", odd, odd, odd, odd, "zh")
    start = new_project(SHIPPED, Choice(wish, origin), provider_named("local"), {})
    persona = made(tmp_path / "odd", start, "odd")
    told = (persona.name, persona.description, persona.identity.role, persona.identity.readers)
    assert told == (odd, odd, odd, odd)


@pytest.mark.parametrize("provider", provider_names())
def test_every_provider_that_can_be_named_loads(provider: str, tmp_path: Path) -> None:
    """The file that says which model answers would be refused at the start."""
    chosen = replace(provider_named(provider), model="on: yes")
    files = new_project(SHIPPED, Choice(PLAIN), chosen, {}).files
    (tmp_path / "banneton.yaml").write_text(files["banneton.yaml"])
    settings = load_project(tmp_path, reads_secrets=False).settings
    assert list(settings.backends) == [provider]
    assert chosen.key is None or f"${{{chosen.key}}}" in files["banneton.yaml"]
    assert settings.server.port != 8000 or provider != "vllm"


def test_a_server_by_its_address(tmp_path: Path) -> None:
    """A server that is in no list could not be named."""
    for address, key in (("https://models.example/v1", "MODEL_API_KEY"), ("http://box:8000", None)):
        provider = replace(provider_named(address), model="m")
        assert provider.key == key
        (tmp_path / "banneton.yaml").write_text(
            new_project(SHIPPED, Choice(PLAIN), provider, {}).files["banneton.yaml"]
        )
        assert load_project(tmp_path, reads_secrets=False).settings.backends["models"]
    for wrong in ("opnai", "ftp://x", "https://user:secret@x/v1", "https://"):
        with pytest.raises(ValueError, match=r"."):
            provider_named(wrong)


def test_schemas_are_where_files_look_for_them() -> None:
    """An editor would complete nothing outside this repository."""
    files = new_project(SHIPPED, Choice(PLAIN), provider_named("local"), schema_texts()).files
    for name, text in files.items():
        first = text.partition("\n")[0]
        if name.endswith(".yaml"):
            _, _, schema = first.partition("$schema=")
            assert (Path(name).parent / schema).as_posix().replace("x/../", "") in {
                each if "/" not in name else f"{Path(name).parent}/../{each}" for each in files
            }, name


def test_a_persona_in_a_project_takes_what_is_there(tmp_path: Path) -> None:
    """A second persona would change the project's own policy or prompt, or not use them."""
    first = new_project(SHIPPED, Choice(PLAIN), provider_named("local"), {})
    with new_files(tmp_path, first.files):
        baseline = tmp_path / "policies/baseline.yaml"
        baseline.write_text(f"{baseline.read_text('utf-8')}# ours\n", "utf-8")
        like = wish_like(SHIPPED.personas["tutor"], "tutor")
        start = new_persona(SHIPPED, Choice(like, "tutor"), tmp_path, "baseline")
        assert set(start.files) == {
            f"{name}{end}"
            for name in ("personas/tutor", "policies/tutor", "policies/care")
            for end in (".yaml", ".cases.yaml")
        }
        assert "policies/baseline.yaml" in start.kept
        assert "$schema" not in start.files["personas/tutor.yaml"]
        under = Choice(replace(like, id="two"), "tutor", policy="ada", route="balanced")
        start = new_persona(SHIPPED, under, tmp_path, "baseline")
        assert set(start.files) == {"personas/two.yaml", "personas/two.cases.yaml"}
        assert "\npolicy: ada\n" in start.files["personas/two.yaml"]
        with pytest.raises(ContentError, match=r"personas/ada\.yaml: is there already"):
            new_persona(SHIPPED, Choice(PLAIN), tmp_path, "baseline")
        (tmp_path / "policies/bank.yaml").write_text("extends: baseline\n")
        like = wish_like(SHIPPED.personas["bank-service"], "x")
        with pytest.raises(ContentError, match=r"policies/bank\.yaml: .* --policy bank takes it"):
            new_persona(SHIPPED, Choice(like, "bank-service"), tmp_path, "baseline")


@pytest.mark.parametrize("origin", SHIPPED.personas)
def test_shipped_names_are_no_words(origin: str) -> None:
    """A new name would be put where the old one was only a word, as in 'May I help?'."""
    name = wish_like(SHIPPED.personas[origin], origin).name
    words = " ".join(SHIPPED.own_files(origin).values())
    assert f" {name.lower()} " not in words


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ada Müller", "ada-muller"),
        ("银行", ""),
        ("  1.0! ", "1-0"),
        ("--", ""),
        ("é" * 99, "e" * 60),
    ],
)
def test_an_id_is_suggested_by_the_name(name: str, expected: str) -> None:
    """A file would get a name that no client can say."""
    assert id_for(name) == expected
    assert not expected or wrong_id(expected) == ""


@pytest.mark.parametrize(
    "wrong", ["", "a/b", "..", "-x", "a.cases", "x.yaml", "a b", "é", "a" * 201]
)
def test_what_is_no_id_is_refused(wrong: str) -> None:
    """A persona would be written outside its folder, or as a file of cases."""
    assert wrong_id(wrong)


@pytest.mark.parametrize("wrong", ["", " ", "a\nb", "a\x00", "{{x}}", "{% x", "a" * 201])
def test_what_is_no_line_is_refused(wrong: str) -> None:
    """An answer would break the file, or stand in the prompt as a template."""
    assert wrong_line(wrong)
