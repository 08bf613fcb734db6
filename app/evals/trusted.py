"""Which judges of suites may stop a merge: those that agree with people as they must."""

from collections.abc import Callable, Sequence
from pathlib import Path

from app.backends.recorded import Questions
from app.catalog.document import Node
from app.catalog.labelled_answers import read_labelled_answers
from app.catalog.suite import NamedJudge, Suite
from app.domain.catalog import Source
from app.evals.agreement import judge_agreement
from app.evals.asking import Means
from app.metrics.agreement import LEAST_KAPPA

MeansFor = Callable[[str, str], tuple[Means, Questions]]
"""What is judged with, and what is asked with it, by suite and what it is for."""


async def trusted_judges(
    root: Path, suites: Sequence[Suite], means_for: MeansFor
) -> tuple[dict[str, frozenset[str]], tuple[str, ...]]:
    """By suite, its judges that may stop a merge; and of each judge why it may, or may not."""
    trusted: dict[str, frozenset[str]] = {}
    notes: list[str] = []
    for suite in suites:
        found: set[str] = set()
        for name, judge in suite.judges.items():
            may, why = await _worth(root, suite, name, judge, means_for)
            notes.append(
                f"{suite.id}: the judge '{name}' {'may' if may else 'may not'} gate: {why}"
            )
            if may:
                found.add(name)
        trusted[suite.id] = frozenset(found)
    return trusted, tuple(notes)


async def _worth(
    root: Path, suite: Suite, name: str, judge: NamedJudge, means_for: MeansFor
) -> tuple[bool, str]:
    if judge.labelled is None:
        return False, "it has no labelled answers ('labelled' names a file of them)"
    node = Node(judge.labelled, Source(suite.file, 0, 0), f"judges.{name}.labelled")
    answers = read_labelled_answers(root, node)
    means, questions = means_for(suite.id, f"judge {name}")
    agreed = await judge_agreement(judge, answers, means)
    if questions.unrecorded:
        return False, "what it says of its labelled answers is not recorded"
    low, high = agreed.interval
    why = (
        f"it says what people say of {agreed.share} answers, beyond chance {low:.2f} to {high:.2f}"
    )
    return agreed.may_gate, f"{why} (at least {LEAST_KAPPA:g})"
