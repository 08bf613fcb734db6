"""What follows from all checks of a case together."""

from pathlib import Path

import pytest

from app.catalog.contracts import Siblings
from app.catalog.conversation_case import Around, ConversationCase, read_conversation
from app.catalog.yaml_source import parse_document
from app.compose.check import prompt_variables
from app.domain.conduct import Conduct
from app.domain.decision import Outcome
from app.domain.errors import Problem
from app.evals.asking import Means
from app.evals.scoring import CaseScore, score_case
from app.evals.transcript import Transcript, Turn
from app.metrics.observed import Basis
from tests.evals.casework import shipped

HELD, FAILED, NOT_SCORED = Conduct.HELD, Conduct.FAILED, Conduct.NOT_SCORED


def case(written: str) -> ConversationCase:
    """A conversation of the bank's service, as a file has it."""
    catalog, builds = shipped()
    siblings = Siblings(builds.kinds, prompt_variables, builds.detector)
    problems: list[Problem] = []
    tree = parse_document(written.encode(), Path("case.yaml").name)
    made = read_conversation(tree, "bank-service", Around(catalog, siblings, {}), problems)
    assert problems == []
    assert made is not None
    return made


TWO = """
id: two turns
turns:
  - user: my card is lost
    expect: [{contains: freeze}]
  - {user: thanks}
every_turn: [{lacks: PIN}]
goal: [{contains: new card}]
violates: [{contains: account number}]
"""


async def scored(written: str, *answers: str, error: str | None = None) -> CaseScore:
    """The case on a conversation in which these answers were given."""
    turns = [Turn("hi", answer) for answer in answers]
    if error is not None:
        turns.append(Turn("hi", "", error=error))
    return await score_case(case(written), Transcript(tuple(turns)), Means(shipped()[1]))


async def test_each_check_has_its_place_and_the_goal_decides_completion() -> None:
    """A failure could not be found in its file, or a goal reached would not count as reached."""
    result = await scored(TWO, "Freeze it.", "Order a new card.")
    assert [(each.place, each.conduct) for each in result.checks] == [
        ("turns[0].expect[0]", FAILED),
        ("every_turn[0]", HELD),
        ("every_turn[0]", HELD),
        ("goal[0]", HELD),
    ]
    assert (result.completed, result.completed_by) == (HELD, Basis.CHECKS)
    assert result.turns == (FAILED, HELD)
    assert result.is_violation is False
    assert result.conduct is FAILED


async def test_a_violation_is_one_however_the_rest_went() -> None:
    """A conversation that does what it must not would pass for reaching its goal."""
    result = await scored(TWO, "First freeze it.", "new card, account number 5")
    assert result.is_violation is True
    assert (result.completed, result.conduct) == (HELD, FAILED)


@pytest.mark.parametrize("error", [None, "timeout"])
async def test_turns_that_did_not_happen_are_not_scored(error: str | None) -> None:
    """An outage would count as a model that keeps to everything, or as one that does not."""
    result = await scored(TWO, "First freeze it.", error=error)
    assert [each.conduct for each in result.checks[:2]] == [HELD, HELD]
    assert result.checks[2].conduct is NOT_SCORED
    assert result.turns == ((HELD,) if error is None else (HELD, NOT_SCORED))
    if error is not None:
        assert (result.completed, result.completed_by) == (NOT_SCORED, None)
        assert result.is_violation is None
        assert "timeout" in result.checks[-1].why


async def test_without_a_goal_the_scripts_checks_decide() -> None:
    """A short case would say nothing about completion."""
    one = "id: one\nturns: [{user: hi, expect: [{contains: hello}]}]\n"
    assert (await scored(one, "hello")).completed is HELD
    assert (await scored(one, "bye")).completed is FAILED
    assert (await scored(one, "hello")).is_violation is None


async def test_what_nobody_judged_is_not_scored() -> None:
    """A question that no judge was asked would count as answered well."""
    judge = "{question: Polite?, expect: 'yes', routes: [balanced]}"
    asked = f"id: one\nturns: [{{user: hi}}]\ngoal: [{{judge: {judge}}}]\n"
    result = await scored(asked, "hello")
    (one,) = result.checks
    assert (one.conduct, one.can_gate, one.check) == (NOT_SCORED, False, "judge")
    assert result.conduct is NOT_SCORED


async def test_over_the_whole_conversation_the_severest_outcome_counts() -> None:
    """A block in the first turn would be forgotten by the last one."""
    one = case(
        "id: one\nturns: [{user: hi}, {user: ho}]\n"
        "goal: [{outcome: block}, {at_most: {turns: 1}}]\n"
    )
    transcript = Transcript((Turn("hi", "no", outcome=Outcome.BLOCK), Turn("ho", "yes")))
    result = await score_case(one, transcript, Means(shipped()[1]))
    assert [each.conduct for each in result.checks] == [HELD, FAILED]
