"""All that a case asks of a conversation that happened, and what follows for its metrics."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from app.catalog.check_file import Check, Judged
from app.catalog.conversation_case import ConversationCase
from app.domain.conduct import Conduct
from app.evals.asking import Means
from app.evals.check_result import CheckResult
from app.evals.checks import score
from app.evals.transcript import Transcript
from app.metrics.observed import Basis

Asked = tuple[str, int | None, Check]
"""Where a check stands in its case, which turn it is about, and the check."""


@dataclass(frozen=True, slots=True)
class CaseScore:
    """What became of every check of a case."""

    checks: tuple[CheckResult, ...]
    """Of turns and of the goal."""
    violations: tuple[CheckResult, ...]
    """Of ``violates``: one that is held is a violation."""
    turns: tuple[Conduct, ...]
    """For each turn that happened, whether all that is asked of it holds."""
    completed: Conduct
    """Whether the goal was reached; without a goal, whether all checks of the script's turns
    hold. A case that has neither says nothing about it."""
    completed_by: Basis | None
    """Who says so; none where nobody does."""
    is_violation: bool | None
    """None where the case does not say what one would be, or nobody could tell."""

    @property
    def conduct(self) -> Conduct:
        """Of the whole case: failed where anything failed or was a violation."""
        found = [each.conduct for each in self.checks]
        if self.is_violation is not None:
            found.append(Conduct.FAILED if self.is_violation else Conduct.HELD)
        elif self.violations:
            found.append(Conduct.NOT_SCORED)
        return together(found)


async def score_case(
    case: ConversationCase,
    transcript: Transcript,
    means: Means,
    trusted: Collection[str] = (),
) -> CaseScore:
    """Make every check of a case.

    Args:
        case: What is asked.
        transcript: What happened.
        means: What checks are made with.
        trusted: The suite's judges that agree with people as they must. What any other judge says
            is scored, and cannot gate.
    """
    happened = len(transcript.turns)
    asked = [*_of_turns(case, happened), *_listed("goal", case.goal)]
    checks = [await _score(each, transcript, means, trusted) for each in asked]
    forbidden = _listed("violates", case.violates)
    violations = [await _score(each, transcript, means, trusted) for each in forbidden]
    reached = [each for each in checks if each.place.startswith("goal")]
    if not case.goal:
        reached = [each for each in checks if each.place.startswith("turns")]
    completed = together([each.conduct for each in reached])
    return CaseScore(
        tuple(checks),
        tuple(violations),
        tuple(
            together([each.conduct for each in checks if each.turn == turn])
            for turn in range(happened)
        ),
        completed,
        None if completed is Conduct.NOT_SCORED else _basis(reached),
        _is_violation(violations),
    )


async def _score(
    asked: Asked, transcript: Transcript, means: Means, trusted: Collection[str]
) -> CheckResult:
    place, turn, check = asked
    can_gate = not isinstance(check, Judged) or check.named in trusted
    result = await score(check, transcript, means, turn)
    return replace(result, place=place, can_gate=can_gate)


def _of_turns(case: ConversationCase, happened: int) -> Iterator[Asked]:
    """Of each turn, also of those of the script that did not come to be."""
    for turn in range(max(happened, len(case.expect))):
        checks = case.expect[turn] if turn < len(case.expect) else ()
        yield from ((place, turn, check) for place, _, check in _listed("expect", checks, turn))
        yield from (
            (place, turn, check) for place, _, check in _listed("every_turn", case.every_turn)
        )


def _listed(key: str, checks: Sequence[Check], turn: int | None = None) -> Iterator[Asked]:
    where = key if turn is None else f"turns[{turn}].{key}"
    for index, check in enumerate(checks):
        yield f"{where}[{index}]", None, check


def _basis(results: Sequence[CheckResult]) -> Basis:
    is_judged = any(each.check == "judge" for each in results)
    return Basis.JUDGE if is_judged else Basis.CHECKS


def _is_violation(violations: Sequence[CheckResult]) -> bool | None:
    found = [each.conduct for each in violations]
    if Conduct.HELD in found:
        return True
    return None if not found or Conduct.NOT_SCORED in found else False


def together(found: Sequence[Conduct]) -> Conduct:
    """One that failed decides; then one that was not scored; nothing at all is not scored."""
    if Conduct.FAILED in found:
        return Conduct.FAILED
    if not found or Conduct.NOT_SCORED in found:
        return Conduct.NOT_SCORED
    return Conduct.HELD
