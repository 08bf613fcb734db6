"""What metrics are measured on: a case that was played and judged, as a task."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from app.catalog.conversation_case import ConversationCase
from app.catalog.suite import Suite
from app.domain.conduct import Conduct
from app.evals.asking import Means, ask_judges
from app.evals.check_result import CheckResult, looked_at
from app.evals.play import Played
from app.evals.scoring import CaseScore
from app.metrics.observed import Basis, ObservedExchange, ObservedTask


def task_of(
    task_id: str,
    case: ConversationCase,
    played: Played,
    scores: CaseScore,
    satisfaction: float | None,
) -> ObservedTask:
    """A case as a task.

    Args:
        task_id: The same before and after a change.
        case: What was played.
        played: What happened; one exchange at least.
        scores: What is thought of it.
        satisfaction: How content the user would be, as a judge says.
    """
    exchanges = tuple(_with_checks(played, scores))
    last_of_turn = {turn: at + 1 for at, turn in enumerate(played.turn_of)}
    first = exchanges[0]
    return ObservedTask(
        id=task_id,
        persona=first.persona,
        variant=first.variant,
        catalog=first.catalog,
        exchanges=exchanges,
        completed=scores.completed,
        completed_by=scores.completed_by,
        satisfaction=satisfaction,
        satisfaction_by=None if satisfaction is None else Basis.JUDGE,
        is_harmless=case.written.harmless,
        is_violation=scores.is_violation,
        corrections=tuple(
            last_of_turn[turn - 1] for turn in case.corrected if turn - 1 in last_of_turn
        ),
    )


def _with_checks(played: Played, scores: CaseScore) -> Iterator[ObservedExchange]:
    """A turn's checks are about its last exchange, which gave the answer."""
    last: Mapping[int, int] = {turn: at for at, turn in enumerate(played.turn_of)}
    for at, (exchange, turn) in enumerate(zip(played.exchanges, played.turn_of, strict=True)):
        yield replace(exchange, checks=scores.turns[turn]) if last[turn] == at else exchange


async def satisfaction_of(suite: Suite, played: Played, means: Means) -> float | None:
    """How content the user would be, as the suite's judge says; none where nobody says it."""
    at = looked_at(played.transcript, None)
    if suite.satisfaction is None or isinstance(at, str):
        return None
    judge = suite.judges[suite.satisfaction]
    return (await ask_judges(judge, at.conversation, at.context, means)).score


def all_checks(scores: CaseScore) -> tuple[CheckResult, ...]:
    """Of turns, of the goal, and what is forbidden, held where it did not happen."""
    return (*scores.checks, *(_turned(each) for each in scores.violations))


def _turned(result: CheckResult) -> CheckResult:
    match result.conduct:
        case Conduct.HELD:
            why = "holds, and would be a violation"
            return replace(result, conduct=Conduct.FAILED, why=why)
        case Conduct.FAILED:
            return replace(result, conduct=Conduct.HELD, why="")
        case _:
            return result
