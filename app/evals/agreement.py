"""What a judge's word is worth: how it agrees with people on answers that they have judged."""

from collections.abc import Sequence
from typing import Literal

from app.catalog.check_file import JudgeFile
from app.catalog.labelled_answers import LabelledAnswer
from app.domain.conduct import Conduct
from app.domain.policy import Stage
from app.evals.asking import Means, ask_judges
from app.guardrails.context import Context
from app.metrics.agreement import Agreement, agreement


async def judge_agreement(
    judge: JudgeFile, answers: Sequence[LabelledAnswer], means: Means
) -> Agreement:
    """Let a judge judge what people have judged.

    Whether it may gate is the agreement's to say. Answers that it says nothing about count as
    those on which it disagrees.
    """
    return agreement([(each.label, await _says(judge, each, means)) for each in answers])


async def _says(
    judge: JudgeFile, answer: LabelledAnswer, means: Means
) -> Literal["yes", "no"] | None:
    context = Context(Stage.OUTPUT, question=answer.question, of="text")
    result = await ask_judges(judge, answer.answer, context, means)
    if result.conduct is Conduct.NOT_SCORED:
        return None
    other: Literal["yes", "no"] = "no" if judge.expect == "yes" else "yes"
    return judge.expect if result.conduct is Conduct.HELD else other
