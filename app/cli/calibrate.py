"""Find the thresholds that keep false alarms within a policy's budget."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.counts import counted
from app.cli.options import ROOT

if TYPE_CHECKING:
    from app.catalog.labelled import LabelledText
    from app.catalog.thresholds import Edited
    from app.domain.policy import Policy
    from app.evals.calibrate import Calibration
    from app.main import Project
    from app.pipeline.loaded import Loaded


def calibrate(
    *,
    policy: Annotated[str, typer.Option(help="The policy whose thresholds are looked for.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Labelled texts: .jsonl or .jsonl.gz with 'text' and 'label' (0 or 1). May come "
            "more than once; without it, the files that the policy's budget names.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    false_alarms: Annotated[
        str | None, typer.Option(help="A budget instead of the policy's, such as 0.5%.")
    ] = None,
    charts: Annotated[
        Path | None, typer.Option(help="Draw the curves into this folder (HTML and PNG).")
    ] = None,
    diff: Annotated[
        Path | None, typer.Option(help="Write the change as a patch instead of printing it.")
    ] = None,
    root: Annotated[Path | None, ROOT] = None,
) -> None:
    """Say which threshold keeps each rule within its budget, what it catches, and the change.

    A false alarm is a harmless text that a rule blocks or escalates. Nothing is written into the
    policy: the change is a diff for review.

    Example: banneton calibrate --policy baseline --charts charts --diff thresholds.patch
    """
    import asyncio

    from app.cli.named import plan_named
    from app.evals.calibrate import calibrations
    from app.evals.charts import draw
    from app.evals.scores import scored
    from app.main import SystemClock, load_project

    project = load_project(root, reads_secrets=False)
    loaded = project.load()
    plan = plan_named(loaded, policy)
    texts = _texts(project, plan.policy, data or [])
    shares = _shares(false_alarms, plan.policy)
    seen = asyncio.run(scored(plan, texts, SystemClock()))
    found = list(calibrations(plan.policy, shares, seen))
    _show(found, len(texts))
    _write(_edited(project, loaded, plan.policy, found), diff)
    if charts is not None:
        for path in draw(charts, policy, found):
            typer.echo(f"drawn: {path}")


def _texts(
    project: "Project", policy: "Policy", data: Sequence[Path]
) -> "tuple[LabelledText, ...]":
    from app.catalog.labelled import read_labelled
    from app.domain.errors import RequestError
    from app.evals.budget import named_texts

    if data:
        files = [read_labelled(path, path.name, is_harmful=None) for path in data]
        return tuple(text for texts in files for text in texts)
    if policy.budget is None:
        raise RequestError("the policy names no texts; give some with --data", param="data")
    harmless = named_texts(project.root, policy.budget.harmless, is_harmful=False)
    return harmless + named_texts(project.root, policy.budget.harmful, is_harmful=True)


def _edited(
    project: "Project", loaded: "Loaded", policy: "Policy", found: Sequence["Calibration"]
) -> "Edited":
    from app.catalog.thresholds import NewSteps, with_thresholds
    from app.evals.calibrate import moved

    rules = {rule.id: rule for rule in policy.rules}
    wanted = [
        NewSteps(rules[each.rule], each.audience, each.step, moved(rules[each.rule], each))
        for each in found
        if each.best is not None and each.best.at != each.now.at
    ]
    return with_thresholds(project.root, loaded.catalog, policy.id, wanted)


def _write(edited: "Edited", diff: Path | None) -> None:
    for line in edited.by_hand:
        typer.echo(f"by hand: {line}")
    if not edited.diff:
        is_done = not edited.by_hand
        typer.echo("no threshold has to change" if is_done else "there is nothing for a patch")
    elif diff is None:
        typer.echo(edited.diff, nl=False)
    else:
        diff.write_bytes(edited.diff.encode())
        typer.echo(f"the change is in {diff}: git apply {diff}")


def _shares(wish: str | None, policy: "Policy") -> dict[str, float]:
    """The budget of each audience."""
    from app.catalog.budget_file import share_of
    from app.domain.errors import RequestError

    if wish is not None:
        try:
            return dict.fromkeys(policy.audiences, share_of(wish))
        except ValueError as exc:
            raise RequestError(f"--false-alarms {exc}", param="false_alarms") from None
    if policy.budget is None:
        what = "the policy has no 'budget'; write one, or give --false-alarms 0.5%"
        raise RequestError(what, param="false_alarms")
    return dict(policy.budget.false_alarms)


def _show(found: Sequence["Calibration"], count: int) -> None:
    typer.echo(f"{counted(count, 'text')}; shares with 95 % intervals")
    for each in found:
        point = each.best or each.now
        typer.echo(
            f"\n{each.rule} for {each.audience}: "
            + (f"{each.now.at:g} -> {point.at:g}" if each.best else "no threshold keeps the budget")
        )
        typer.echo(f"  false alarms  {point.false_alarms}, budget {100 * each.budget:g} %")
        typer.echo(f"  caught        {point.caught}")
        for category, share in each.by_category.items():
            typer.echo(f"    {category:<28} {share}")
        if each.best is not None and not each.is_proved:
            typer.echo("  the sample is too small to prove that this keeps the budget")
    if not found:
        typer.echo("no rule stops texts by score, or no harmless text is of a stage that one sees")
