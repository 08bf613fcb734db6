"""Files of cases: what they may say, and that they speak of things that are there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.catalog.cases import CaseMessage, Cases, PersonaCase
from app.domain.decision import Outcome
from app.domain.errors import ContentError
from app.domain.policy import Stage

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
