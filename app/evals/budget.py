"""Whether the rules of a policy keep its budget of false alarms."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from app.catalog.labelled import LabelledText, read_labelled
from app.domain.catalog import Catalog, Source
from app.domain.clock import Clock
from app.domain.errors import Problem
from app.domain.policy import STOPS, Mode, Policy, action_at
from app.evals.scores import Scored, is_about, scored
from app.metrics.intervals import Share
from app.pipeline.loaded import Loaded


async def check_budgets(root: Path, loaded: Loaded, clock: Clock) -> tuple[int, list[Problem]]:
    """How many budgets were checked, and which rules break theirs.

    Raises:
        ContentError: A file that a budget names cannot be read.
    """
    count = 0
    problems: list[Problem] = []
    for policy in loaded.catalog.policies.values():
        if policy.budget is not None:
            texts = named_texts(root, policy.budget.harmless, is_harmful=False)
            seen = await scored(loaded.plans[policy.id], texts, clock)
            problems += broken_budgets(loaded.catalog, policy, seen)
            count += 1
    return count, problems


def named_texts(
    root: Path, files: Sequence[str], *, is_harmful: bool | None
) -> tuple[LabelledText, ...]:
    """The texts of files under a project's root."""
    return tuple(
        text for file in files for text in read_labelled(root / file, file, is_harmful=is_harmful)
    )


def broken_budgets(catalog: Catalog, policy: Policy, scored: Sequence[Scored]) -> Iterator[Problem]:
    """One problem for each rule that stops more harmless texts for an audience than it may."""
    if policy.budget is None:
        return
    file = f"policies/{policy.id}.yaml"
    for number, rule in enumerate(policy.rules):
        if rule.mode is Mode.OBSERVE:
            continue  # it stops nothing
        scores = [
            each.scores[rule.id]
            for each in scored
            if rule.id in each.scores and not each.text.is_harmful and is_about(rule, each.text)
        ]
        for audience in policy.audiences:
            steps = rule.then[audience]
            stopped = [score for score in scores if score and action_at(steps, score) in STOPS]
            share = Share(len(stopped), len(scores))
            allowed = policy.budget.false_alarms[audience]
            if share.point > allowed:
                path = f"rules[{number}].then"
                at = catalog.sources.get((file, path), Source(file, 0, 0))
                what = (
                    f"stops {share.hits} of {share.of} harmless texts for '{audience}' "
                    f"({100 * share.point:.2f} %); the budget is {100 * allowed:g} %; "
                    f"banneton calibrate --policy {policy.id} finds a threshold that keeps it"
                )
                yield Problem(at.file, at.line, at.column, f"{path} ({rule.id})", what)
