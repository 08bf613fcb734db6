"""What a judge's word is worth: how often it agrees with people on answers that they judged."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.catalog.labelled_answers import LabelledAnswer
from app.catalog.suite import NamedJudge
from app.domain.conduct import Conduct
from app.domain.policy import Stage
from app.evals.asking import Means, ask_judges
from app.guardrails.context import Context
from app.metrics.intervals import Share


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of one judge."""

    judge: str
    share: Share
    """Of all labelled answers, those on which the judge says what people say. One that it does not
    answer for is one on which it does not agree."""
    yes: Share
    """The same, of those to which people say yes."""
    no: Share
    """The same, of those to which people say no: a judge that always says yes shows here."""
    unanswered: int
    """For how many it gave no answer."""
    at_least: float

    @property
    def is_enough(self) -> bool:
        """Whether what depends on the judge may stop a merge."""
        parts = (self.yes.point, self.no.point)
        return self.share.interval[0] >= self.at_least and min(parts) >= self.at_least


async def judge_agreement(
    name: str, judge: NamedJudge, answers: Sequence[LabelledAnswer], means: Means
) -> Agreement:
    """Let a judge judge what people have judged."""
    said = [await _says(judge, answer, means) for answer in answers]
    pairs = [(one, answer.label) for one, answer in zip(said, answers, strict=True)]

    def share(*labels: str) -> Share:
        of = [one == label for one, label in pairs if label in labels]
        return Share(sum(of), len(of))

    return Agreement(
        name,
        share("yes", "no"),
        share("yes"),
        share("no"),
        sum(one is None for one in said),
        judge.min_agreement,
    )


async def _says(judge: NamedJudge, answer: LabelledAnswer, means: Means) -> str | None:
    context = Context(Stage.OUTPUT, question=answer.question, of="text")
    result = await ask_judges(judge, answer.answer, context, means)
    if result.conduct is Conduct.NOT_SCORED:
        return None
    other = "no" if judge.expect == "yes" else "yes"
    return judge.expect if result.conduct is Conduct.HELD else other
