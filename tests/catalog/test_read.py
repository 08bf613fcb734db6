"""Files to a catalog: inheritance, shorthands, places, and what makes its digest."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.catalog.read import expired_waivers
from app.catalog.yaml_source import parse_document
from app.domain.catalog import Catalog, Source
from app.domain.conversation import Json
from app.domain.errors import ContentError
from app.domain.policy import Action, Keep, KeepContent, Rule, Step, rule_by_id

Read = Callable[[Path], Catalog]
GOOD = Path(__file__).parent.parent / "cases" / "bad_catalogs" / "_good"


def rule_of(catalog: Catalog, policy: str, rule_id: str) -> Rule:
    """A rule that must be there."""
    rule = rule_by_id(catalog.policies[policy].rules, rule_id)
    assert rule is not None
    return rule


def write_child(root: Path, text: str) -> None:
    """Write a policy below the root policy."""
    (root / "policies/children.yaml").write_text(f"extends: baseline\n{text}")


def test_a_rule_is_inherited_and_changed_by_its_id(root: Path, read_root: Read) -> None:
    """A child would lose its parent's rules, or a change would make a second rule."""
    catalog = read_root(root)
    ids = [rule.id for rule in catalog.policies["legal"].rules]
    assert ids == ["jailbreak", "slurs", "contact", "advice"]
    jailbreak = rule_of(catalog, "legal", "jailbreak")
    assert jailbreak.detect == rule_of(catalog, "baseline", "jailbreak").detect
    assert jailbreak.then["minor"] == (Step(0.3, Action.BLOCK),)
    assert jailbreak.then["public"] == (Step(0.5, Action.BLOCK),)


def test_an_audience_takes_the_next_looser_named_ones_actions(root: Path, read_root: Read) -> None:
    """A minor would be allowed what the public is not, because nobody named minors."""
    catalog = read_root(root)
    advice = rule_of(catalog, "legal", "advice")
    assert advice.then == {
        "minor": (Step(0, Action.STEER),), "public": (Step(0, Action.STEER),), "professional": (),
    }  # fmt: skip
    assert rule_of(catalog, "baseline", "jailbreak").then["professional"] == ()


def test_one_action_is_for_everyone_and_a_child_can_raise_it(root: Path, read_root: Read) -> None:
    """``then: flag`` would cover one audience only, or vanish when a child names another."""
    write_child(root, "rules: [{id: slurs, then: {public: block}}]")
    then = rule_of(read_root(root), "children", "slurs").then
    assert then["minor"] == then["public"] == (Step(0, Action.BLOCK),)
    assert then["professional"] == (Step(0, Action.MASK),)
    write_child(root, "rules: [{id: jailbreak, then: block}]")
    then = rule_of(read_root(root), "children", "jailbreak").then
    assert set(then.values()) == {(Step(0, Action.BLOCK),)}


def test_steps_that_change_nothing_are_left_out(root: Path, read_root: Read) -> None:
    """Two ways to write one step function would be two digests and two plans."""
    steps = "[{at: 0, do: allow}, {at: 0.4, do: flag}, {at: 0.6, do: flag}, {at: 1, do: block}]"
    write_child(root, f"rules: [{{id: x, stages: [input], detect: injection, then: {steps}}}]")
    then = rule_of(read_root(root), "children", "x").then
    assert then["minor"] == (Step(0.4, Action.FLAG), Step(1, Action.BLOCK))


def test_settings_of_a_detector_are_merged_and_defaults_filled_in(
    root: Path, read_root: Read
) -> None:
    """A child that adds a word would lose an option, or a recorded spec would lack a default."""
    write_child(root, "rules: [{id: slurs, detect: {words: {match: part, words: [darn, heck]}}}]")
    spec = rule_of(read_root(root), "children", "slurs").detect
    assert spec.settings == {"words": ["darn", "heck"], "match": "part"}
    assert rule_of(read_root(root), "baseline", "slurs").detect.settings["match"] == "whole"


def test_waivers_and_keep_are_inherited(root: Path, read_root: Read) -> None:
    """A grandchild would be strict where its parent's waiver was approved for all of it."""
    (root / "policies/office.yaml").write_text(
        "extends: legal\nkeep: {content: rewritten, content_for: 7d}\nwaivers:\n"
        "  - {rule: slurs, audience: professional, expires: 2098-01-01}\n"
        "  - {rule: contact, audience: public, to: flag, reason: r, approved_by: a,"
        " expires: 2099-01-01}\n"
    )
    office = read_root(root).policies["office"]
    assert [(w.rule, w.to, w.expires.year, w.reason) for w in office.waivers] == [
        ("slurs", Action.FLAG, 2098, "Lawyers quote."),
        ("contact", Action.FLAG, 2099, "r"),
    ]
    assert office.keep == Keep(KeepContent.REWRITTEN, 7, 400)


def test_a_waiver_leaves_the_rule_as_it_is(root: Path, read_root: Read) -> None:
    """The rule would stay weak after the waiver's date, in files and in a running gateway."""
    slurs = rule_of(read_root(root), "legal", "slurs")
    assert slurs.then["professional"] == (Step(0, Action.MASK),)


def test_an_expired_waiver_is_a_notice_and_no_error(root: Path, read_root: Read) -> None:
    """A gateway could not reload on the day after a waiver's last, or nobody would hear of it."""
    catalog = read_root(root)
    assert expired_waivers(catalog, date(2099, 12, 31)) == ()
    (notice,) = expired_waivers(catalog, date(2100, 1, 1))
    assert str(notice) == (
        "policies/legal.yaml:15:5: waivers[0]: expired on 2099-12-31; "
        "the rule 'slurs' is strict again"
    )


def test_personas_inherit_and_vary(root: Path, read_root: Read) -> None:
    """A persona would lose what its parent says, or a variant would not be what its file says."""
    catalog = read_root(root)
    lexi = catalog.personas["lexi"]
    assert lexi.identity.role == "contract explainer"
    assert lexi.identity.values == ("honest", "patient")
    assert lexi.voice.tone == ("calm", "precise")
    assert [behaviour.id for behaviour in lexi.behaviours] == ["plain-words", "cites-the-clause"]
    assert set(lexi.variables) == {"customer_name", "jurisdiction"}
    assert lexi.replies.block["no"] == "Ikke her."
    warmer = catalog.variants["lexi", "warmer"]
    assert (warmer.id, warmer.voice.warmth, warmer.variants) == ("lexi", "low", ())
    assert warmer.model_copy(update={"voice": lexi.voice, "variants": lexi.variants}) == lexi


def test_prompts_and_knowledge_have_the_ids_that_files_use(root: Path, read_root: Read) -> None:
    """A persona could not name its template, or a template what it includes."""
    catalog = read_root(root)
    assert set(catalog.prompts) == {"assistant", "parts/voice.j2"}
    assert catalog.prompts["assistant"].file == "prompts/assistant.md.j2"
    assert catalog.knowledge["knowledge/terms.md"].startswith("# Terms\n")
    assert catalog.routes["balanced"].targets[0].backend == "main"


def test_sources_name_the_file_that_a_value_stands_in(root: Path, read_root: Read) -> None:
    """Provenance and explain would send a reviewer to a file that does not hold the value."""
    sources = read_root(root).sources
    lexi = "personas/lexi.yaml"
    assert sources[lexi, "behaviours[0].instruct"] == Source("personas/house.yaml", 11, 15)
    assert sources[lexi, "behaviours[1].instruct"] == Source(lexi, 8, 15)
    assert sources[lexi, "voice.formality"] == Source("personas/house.yaml", 8, 20)
    assert sources[lexi, "voice.warmth"].file == lexi
    assert sources["policies/legal.yaml", "rules[1].then"].file == "policies/baseline.yaml"
    assert sources["banneton.yaml", "routes.cheap.model"] == Source("banneton.yaml", 10, 35)


def test_the_digest_is_of_the_meaning(root: Path, read_root: Read) -> None:
    """A comment would look like a change, or two machines would name one content differently."""
    before = read_root(root).digest
    assert before.startswith("sha256:")
    assert len(before) == len("sha256:") + 64
    for path in root.rglob("*"):
        if path.suffix in {".yaml", ".j2", ".md"}:
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    house = root / "personas/house.yaml"
    tree = parse_document(house.read_bytes(), "house").plain()
    assert isinstance(tree, dict)
    house.write_text(json.dumps(dict(reversed(tree.items()))))
    write_child(root, "")
    (root / "policies/children.yaml").unlink()
    (root / "personas/notes.md").write_text("Not content.")
    assert read_root(root).digest == before


def test_mappings_come_in_the_order_of_their_keys(root: Path, read_root: Read) -> None:
    """Two catalogs with one digest could compose different prompts."""
    text = "extends: lexi\nscenarios: {%s: {}, %s: {}}\nvariables: {%s: {}, %s: {}}\n"
    found = []
    for names in (("a", "z", "a", "z"), ("z", "a", "z", "a")):
        (root / "personas/tutor.yaml").write_text(text % names)
        catalog = read_root(root)
        tutor = catalog.personas["tutor"]
        found.append((catalog.digest, list(tutor.scenarios), list(tutor.variables)))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("personas/lexi.yaml", "warmth: high", "warmth: low"),
        ("personas/lexi.yaml", "percent: 10", "percent: 11"),
        ("policies/baseline.yaml", "at: 0.3", "at: 0.2"),
        ("policies/baseline.yaml", "[darn]", "[darn, heck]"),
        ("policies/baseline.yaml", "[input, tool_result]", "[input, tool_result, tool_call]"),
        ("policies/legal.yaml", "2099-12-31", "2099-12-30"),
        ("policies/legal.yaml", "This is not", "This isn't"),
        ("prompts/assistant.md.j2", "You are", "You're"),
        ("prompts/parts/voice.j2", "kind", "blunt"),
        ("knowledge/terms.md", "numbered", "numbred"),
        ("banneton.yaml", "model: medium", "model: large"),
    ],
)
def test_the_digest_changes_with_the_meaning(
    root: Path, read_root: Read, file: str, old: str, new: str
) -> None:
    """Two revisions that act differently would have one name, and a reload would not see it."""
    before = read_root(root).digest
    path = root / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    assert read_root(root).digest != before


def test_settings_that_differ_by_deployment_are_not_in_the_digest(
    root: Path, read_root: Read
) -> None:
    """The same content would have another name on every machine."""
    before = read_root(root).digest
    path = root / "banneton.yaml"
    path.write_text(path.read_text().replace("8080", "9090").replace("20000", "30000"))
    assert read_root(root).digest == before


def test_hidden_files_and_cases_are_no_content(root: Path, read_root: Read) -> None:
    """An editor's swap file, or a table of cases, would be taken for a policy."""
    before = read_root(root).digest
    (root / "policies/.#legal.yaml").write_text("locked by: someone")
    (root / "policies/legal.cases.yaml").write_text("cases: nonsense")
    (root / "prompts/.assistant.md.j2.swp").write_bytes(b"\xff")
    assert read_root(root).digest == before


def test_a_link_out_of_the_project_is_no_knowledge(
    root: Path, tmp_path: Path, read_root: Read
) -> None:
    """A persona could put any file of the machine before a model."""
    (tmp_path / "secret.txt").write_text("secret")
    (root / "knowledge/terms.md").unlink()
    (root / "knowledge/terms.md").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(ContentError, match="leads out of the project"):
        read_root(root)


@pytest.mark.parametrize("file", ["personas/gone.yaml", "policies/gone.yaml", "prompts/gone.j2"])
def test_a_link_to_nothing_is_told(root: Path, file: str, read_root: Read) -> None:
    """A persona or policy that is mounted wrongly would not be there, and nobody be told."""
    (root / file).symlink_to(root / "nowhere")
    what = "is a link that leads to nothing; remove it, or bring back what it leads to"
    with pytest.raises(ContentError, match=f"^{file}: {what}$"):
        read_root(root)


def test_an_empty_project_says_what_it_lacks(tmp_path: Path, read_root: Read) -> None:
    """A gateway that was started in the wrong folder would serve nothing, and say nothing."""
    with pytest.raises(ContentError) as caught:
        read_root(tmp_path)
    assert [str(problem) for problem in caught.value.problems] == [
        "banneton.yaml: is missing; is this the project? Choose it with --root",
        "personas: holds no persona; write one, or choose another folder with --root",
    ]


# Whatever stands in a file, the reader gives a catalog or says what is wrong in plain words.

FILES = ["banneton.yaml", "personas/house.yaml", "personas/lexi.yaml", "policies/baseline.yaml"]
FILES += ["policies/legal.yaml"]
JARGON = ("Input", "pydantic", "instance", "dictionary", "NoneType", "object has", "Extra inputs")
ODD: st.SearchStrategy[Json] = st.sampled_from(
    [None, True, 0, -1, 1.5, 10**18, "", "x", "allow", "block", "baseline", "injection", [], [[]],
     {}, [{}], {"id": "x"}, {"a": {"b": None}}, [None], "sk-live-1", {"minor": []}, [{"at": 2}]]
)  # fmt: skip


def paths_in(value: Json) -> list[tuple[str | int, ...]]:
    """Every place in a value."""
    found: list[tuple[str | int, ...]] = [()]
    inside = dict(enumerate(value)) if isinstance(value, list) else value
    for step, inner in inside.items() if isinstance(inside, dict) else ():
        found += [(step, *path) for path in paths_in(inner)]
    return found


def changed(value: Json, path: tuple[str | int, ...], new: Json) -> Json:
    """The value with another one at a place."""
    if not path:
        return new
    copy: Json = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the good catalog that every example changes and restores."""
    copy = tmp_path_factory.mktemp("workshop") / "project"
    shutil.copytree(GOOD, copy)
    return copy


@settings(
    deadline=None, max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_value_in_any_place_gives_a_catalog_or_plain_words(
    data: st.DataObject, workshop: Path, read_root: Read
) -> None:
    """A value that nobody expected would stop the gateway, or be explained in jargon."""
    file = data.draw(st.sampled_from(FILES))
    original = (GOOD / file).read_bytes()
    tree = parse_document(original, file).plain()
    path = data.draw(st.sampled_from(paths_in(tree)))
    (workshop / file).write_text(json.dumps(changed(tree, path, data.draw(ODD))))
    try:
        read_root(workshop)
        problems = []
    except ContentError as exc:
        problems = [str(problem) for problem in exc.problems]
    finally:
        (workshop / file).write_bytes(original)
    assert not any(word in problem for problem in problems for word in JARGON), problems
