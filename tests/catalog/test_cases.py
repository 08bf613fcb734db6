"""Files of cases: what they may say, and that they speak of things that are there."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.cases import CaseMessage, Cases, PersonaCase, read_cases
from app.domain.catalog import Catalog
from app.domain.decision import Outcome
from app.domain.errors import ContentError
from app.domain.policy import Stage
from tests.catalog.conftest import GOOD, read, siblings

Read = Callable[[Path], Cases]


def test_one_outcome_is_expected_for_every_audience(root: Path, cases_of: Read) -> None:
    """A case would be checked for one audience and count as passed for all."""
    greeting, jailbreak = cases_of(root).policies["legal"]
    assert (greeting.text, greeting.stage, greeting.rules) == ("hello", Stage.INPUT, ())
    assert {greeting.expected(name) for name in ("minor", "public")} == {Outcome.ALLOW}
    assert jailbreak.expected("minor") is Outcome.BLOCK
    assert jailbreak.expected("professional") is Outcome.ALLOW
    assert jailbreak.rules == ("jailbreak",)


def test_an_audience_that_a_case_does_not_name_is_not_expected_to_do_anything(
    root: Path, cases_of: Read
) -> None:
    """A case about minors would fail because of what professionals may do."""
    (root / "policies/legal.cases.yaml").write_text(
        "cases:\n  - id: a\n    messages: [{role: user, text: hi}]\n    expect: {minor: flag}\n"
    )
    (case,) = cases_of(root).policies["legal"]
    assert case.messages == (CaseMessage(role="user", text="hi"),)
    assert case.expected("minor") is Outcome.FLAG
    assert case.expected("public") is None


def test_cases_of_a_persona_are_about_its_prompt(root: Path, cases_of: Read) -> None:
    """A promise about a prompt would not be read, and so never be checked."""
    (case,) = cases_of(root).personas["lexi"]
    assert isinstance(case, PersonaCase)
    assert (case.scenario, dict(case.variables)) == ("review", {"jurisdiction": "DE"})
    assert isinstance(case, PersonaCase)
    assert case.renders is not None
    assert (case.renders.contains, case.renders.lacks) == (("clause",), ("TODO",))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Catalog]:
    """A copy of the good catalog, and what is read of it once."""
    root = tmp_path_factory.mktemp("fuzz") / "project"
    shutil.copytree(GOOD, root)
    return root, read(root)


NO_CASES = (
    "",
    "[]",
    "cases: []",
    "cases:",
    "cases: {}",
    "cases: [{}]",
    "cases: [x]",
    "- expect: x",
)
NO_OUTCOMES = ("{}", "[allow]", "5", "{minor: }")


@pytest.mark.parametrize(
    "text",
    [*NO_CASES, *(f"cases: [{{id: a, text: b, expect: {outcome}}}]" for outcome in NO_OUTCOMES)],
)
def test_a_file_that_holds_no_case_is_refused(root: Path, cases_of: Read, text: str) -> None:
    """A file whose cases are never run would look like proof."""
    (root / "policies/legal.cases.yaml").write_text(text)
    with pytest.raises(ContentError):
        cases_of(root)


SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x", "lexi", "ask?"])
)
KEYS = st.sampled_from(
    [
        *("id", "turns", "user", "expect", "every_turn", "goal", "violates", "tools", "name"),
        *("gives", "fails", "simulated_user", "contains", "calls", "judge", "rule", "finding"),
        *("at_most", "similar", "pattern", "words", "behaviour", "persona", "cases", "judges"),
        *("defaults", "include", "gate", "scenario", "variables", "json_schema", "outcome"),
    ]
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


@given(
    case=st.dictionaries(KEYS, TREES, max_size=7), check=st.dictionaries(KEYS, TREES, max_size=2)
)
@settings(deadline=None, max_examples=80)
def test_whatever_a_conversation_says_it_is_read_or_refused(
    case: dict[str, object], check: dict[str, object], good: tuple[Path, Catalog]
) -> None:
    """An author's mistake would end in a traceback instead of a line and a remedy."""
    root, catalog = good
    turned = {"id": "b", "turns": [{"user": "hi", "expect": [check]}], "goal": [check]}
    for file, tree in (
        ("personas/lexi.cases.yaml", {"cases": [case, turned]}),
        ("evals/talks.yaml", {"defaults": {"persona": "lexi"}, "cases": [case, turned], **case}),
    ):
        (root / file).parent.mkdir(exist_ok=True)
        (root / file).write_text(json.dumps(tree))
    with suppress(ContentError):
        read_cases(root, catalog, siblings())
