"""Suites: which cases they hold, and what holds for all of them."""

from collections.abc import Callable
from pathlib import Path

from app.catalog.cases import Cases
from app.catalog.check_file import Judged

Read = Callable[[Path], Cases]

_TALK = "  - {id: talk, turns: [{user: hi}], goal: [{contains: hello}]}\n"
_SUITE = """
include: [lexi]
defaults: {persona: house, audience: minor, repeats: 3, variables: {customer_name: Ann}}
judges: {polite: {question: Is it polite?, expect: "yes", min_score: 0.4}}
gate: [task_completion, "adherence:plain-words"]
cases:
  - id: own
    repeats: 2
    tools: [{name: find, gives: {found: 1}}]
    turns: [{user: hi}, {user: "no, hey", corrects: true, expect: [{judge: polite}]}]
  - id: other
    persona: lexi
    variables: {jurisdiction: DE}
    turns: [{user: hi}]
    violates: [{lacks: x}]
"""


def _write(root: Path, suite: str) -> None:
    (root / "personas/lexi.cases.yaml").write_text(f"cases:\n{_TALK}")
    (root / "evals").mkdir()
    (root / "evals/answers.script.yaml").write_text("rules: [{text: Hi}]\n")
    if suite:
        (root / "evals/talks.yaml").write_text(suite)


def test_conversations_that_no_suite_includes_are_one_of_their_own(
    root: Path, cases_of: Read
) -> None:
    """They would never be run; or a script of a backend be taken for a suite."""
    _write(root, "")
    suites = cases_of(root).suites
    assert list(suites) == ["personas/lexi"]
    assert suites["personas/lexi"].file == "personas/lexi.cases.yaml"


def test_an_included_conversation_is_run_once(root: Path, cases_of: Read) -> None:
    """It would cost twice, and count twice in every metric."""
    _write(root, _SUITE)
    (suite,) = cases_of(root).suites.values()
    assert suite.id == "talks"
    assert [(case.id, case.persona) for case in suite.cases] == [
        ("talk", "lexi"),
        ("own", "house"),
        ("other", "lexi"),
    ]
    assert [case.source.file for case in suite.cases][:2] == [
        "personas/lexi.cases.yaml",
        "evals/talks.yaml",
    ]


def test_defaults_hold_for_cases_of_the_suite_that_say_nothing_else(
    root: Path, cases_of: Read
) -> None:
    """A default would be lost, or change a case of a persona's own file."""
    _write(root, _SUITE)
    talk, own, other = cases_of(root).suites["talks"].cases
    assert [each.written.repeats for each in (talk, own, other)] == [1, 2, 3]
    assert [each.written.audience for each in (talk, own, other)] == [None, "minor", "minor"]
    assert other.written.variables == {"customer_name": "Ann", "jurisdiction": "DE"}
    assert own.corrected == (1,)
    ((), (check,)) = own.expect
    assert isinstance(check, Judged)
    assert (check.named, check.judge.question, check.judge.min_score) == (
        "polite",
        "Is it polite?",
        0.4,
    )
