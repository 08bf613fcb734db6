"""Every shipped file loads, renders and passes its cases."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.catalog.recordings import RecordingFiles
from app.cli.gallery_page import FILE, gallery_page
from app.domain.decision import Outcome
from app.domain.events import TextDelta
from app.evals.cases import cases_of
from app.evals.gallery import gallery
from app.main import Project, SystemClock, check_cases, load_project
from app.pipeline.loaded import Loaded

ROOT = Path(__file__).parent.parent
PERSONAS = sorted(path.stem for path in ROOT.glob("personas/*.yaml") if path.suffixes == [".yaml"])
POLICIES = sorted(path.stem for path in ROOT.glob("policies/*.yaml") if path.suffixes == [".yaml"])
FEWEST_BENIGN = 10


@pytest.fixture(scope="module")
def project() -> Project:
    """The shipped project."""
    return load_project(ROOT, reads_secrets=False)


@pytest.fixture(scope="module")
def loaded(project: Project) -> Loaded:
    """The shipped project, compiled."""
    return project.load()


def test_everything_is_served(loaded: Loaded) -> None:
    """A file would be shipped that nothing reads."""
    assert sorted(loaded.catalog.personas) == PERSONAS
    assert sorted(loaded.catalog.policies) == POLICIES
    assert {name for name, variant in loaded.served if variant is None} == set(PERSONAS)


def test_cases_hold(project: Project, loaded: Loaded) -> None:
    """A shipped policy or persona would not do what its own cases say."""
    count, problems = asyncio.run(check_cases(project, loaded))
    assert [str(problem) for problem in problems] == []
    assert count >= 100


@pytest.mark.parametrize("persona", PERSONAS)
def test_a_persona_renders_in_every_scenario(loaded: Loaded, persona: str) -> None:
    """A request that names a scenario or a variant would fail, or say nothing of it."""
    for variant, scenario in _situations(loaded, persona):
        served = loaded.find(persona, variant)
        text = served.prompt.compose(scenario, {}).text
        assert served.persona.name in text
        for behaviour in served.persona.behaviours:
            always = not behaviour.scenarios or scenario in behaviour.scenarios
            assert (behaviour.instruct in text) == always, behaviour.id
        for name, one in served.persona.scenarios.items():
            assert (one.instruct in text) == (name == scenario), name


def _situations(loaded: Loaded, persona: str) -> Iterator[tuple[str | None, str | None]]:
    of = loaded.catalog.personas[persona]
    for variant in (None, *(each.id for each in of.variants)):
        for scenario in (None, *of.scenarios):
            yield variant, scenario


@pytest.mark.parametrize("persona", PERSONAS)
def test_a_persona_speaks_english_and_chinese_where_it_is_stopped(
    loaded: Loaded, persona: str
) -> None:
    """Somebody who writes Chinese would be turned away in English."""
    replies = loaded.catalog.personas[persona].replies
    for outcome in (replies.block, replies.escalate, replies.unchecked):
        assert {"en", "zh"} <= set(outcome)
        assert outcome["en"].isascii()
        assert any("\u4e00" <= char <= "\u9fff" for char in outcome["zh"])


@pytest.mark.parametrize("persona", PERSONAS)
def test_a_persona_lets_ordinary_requests_through(
    project: Project, loaded: Loaded, persona: str
) -> None:
    """A policy that turns away what its users ask would pass all of its cases."""
    policy = loaded.catalog.personas[persona].policy
    cases = cases_of(project.root, loaded.catalog, project.builds).policies.get(policy, ())
    benign = [case.id for case in cases if set(case.expect.values()) == {Outcome.ALLOW}]
    assert len(benign) >= FEWEST_BENIGN


def test_the_gallery_shows_what_the_files_say(project: Project, loaded: Loaded) -> None:
    """Somebody would choose a persona that is another by now; `make docs` writes it anew."""
    assert (ROOT / "docs" / "reference" / FILE).read_text("utf-8") == gallery_page(project, loaded)


def test_the_gallery_shows_nothing_that_did_not_happen(project: Project, loaded: Loaded) -> None:
    """A visitor would read turns that nobody recorded, or stops that no policy made."""
    cases = cases_of(project.root, loaded.catalog, project.builds)
    recordings = RecordingFiles(project.root).all
    said = {
        "".join(each.text for each in one.events if isinstance(each, TextDelta))
        for one in recordings
    }
    shown = asyncio.run(gallery(loaded, cases, recordings, SystemClock()))
    assert [each.persona.id for each in shown] == PERSONAS
    for each in shown:
        assert "en" in {talk.language for talk in each.talks}, each.persona.id
        stops = {*each.persona.replies.block.values(), *each.persona.replies.escalate.values()}
        for turn in (turn for talk in each.talks for turn in talk.turns):
            assert turn.answer in stops if turn.stopped_by else turn.answer.startswith(tuple(said))
        assert {stop.reply for stop in each.stopped} <= stops
    unrecorded = asyncio.run(gallery(loaded, cases, (), SystemClock()))
    assert not [
        turn
        for each in unrecorded
        for talk in each.talks
        for turn in talk.turns
        if not turn.stopped_by
    ]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_has_the_audiences_of_the_house(loaded: Loaded, policy: str) -> None:
    """A key's audience would mean nothing under one of the policies."""
    found = loaded.catalog.policies[policy]
    assert found.audiences == ("minor", "public", "professional")
    assert found.default_audience in found.audiences
    assert all(set(rule.then) == set(found.audiences) for rule in found.rules)
    assert [rule.id for rule in found.rules if not rule.why] == []
