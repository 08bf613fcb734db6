"""Beside ``main``: what a plan says of product metrics: the same cases, run on both revisions."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from shutil import copy2

from app.catalog.files import find_cases
from app.catalog.recordings import FOLDER, RecordingFiles
from app.domain.recording import Recording
from app.evals.results import CaseState, EvalRun
from app.evals.run_suites import Options, Selection
from app.evaluate import Wish, evaluate
from app.main import Project
from app.metrics.compare import movements
from app.pipeline.loaded import Loaded
from app.planning import Revisions
from app.review.plan import Evaluated

_OF_TURNS = ("error_recovery", "recovery_turns")
_OF_GOALS = ("task_completion", "task_completion_judged")


def evaluated(
    made: Revisions,
    suites: Sequence[str],
    route: str | None = None,
    told: Callable[[], None] = lambda: None,
) -> Evaluated:
    """Metrics of the cases as they are now, on both revisions, from recorded answers.

    Args:
        made: Both revisions; the folder of the one before gets the cases of the other.
        suites: Which; all where empty.
        route: The way to a model that all personas take; none leaves each case its own.
        told: Called at each result; what it raises ends the run.

    Raises:
        BannetonError: The cases could not be run.
    """
    _share_cases(made.project.root, made.was.root)
    after = _run(made.project, made.after.loaded, suites, route, told)
    before = _run(made.was, made.before.loaded, suites, route, told)
    found = movements(before.tasks, after.tasks)
    answered = [each.answered for each in (before, after) if each.answered]
    oldest = min((days[0] for days in answered), default=None)
    at = None if oldest is None else datetime(oldest.year, oldest.month, oldest.day, tzinfo=UTC)
    return Evaluated(
        suites=tuple(dict.fromkeys(run.suite for run in after.runs)),
        cases=len({run.id for run in after.runs}),
        movements=found,
        may_not_gate={
            each.metric.id: why
            for each in found
            if (why := _may_not_gate(each.metric.id, before, after, made))
        },
        notes=tuple(_notes(before, after)),
        recorded_at=at,
    )


def _run(
    project: Project,
    loaded: Loaded,
    suites: Sequence[str],
    route: str | None,
    told: Callable[[], None],
) -> EvalRun:

    wish = Wish(Selection(suites=frozenset(suites)), Options(route=route))
    run = evaluate(project, loaded, wish, on_result=lambda _result, _of: told())
    return asyncio.run(run).run


def _share_cases(now: Path, then: Path) -> None:
    """Put today's cases and recorded answers into the folder of the revision before.

    So both answer the same questions and are held to the same checks. Answers that only the
    revision before has recorded stay.
    """
    for path in (each for folder in ("personas", "policies") for each in find_cases(then, folder)):
        path.unlink()
    for path in (each for folder in ("personas", "policies") for each in find_cases(now, folder)):
        _copy(path, then / path.relative_to(now))
    for path in sorted((now / "evals").rglob("*")):
        if path.is_file() and not path.is_relative_to(now / FOLDER):
            _copy(path, then / path.relative_to(now))
    asyncio.run(_add(RecordingFiles(then), RecordingFiles(now).all))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    copy2(source, target)


async def _add(known: RecordingFiles, more: Iterable[Recording]) -> None:
    for each in more:
        if known.find(each.key) is None:
            await known.keep(each)
    await known.settle()


def _may_not_gate(metric: str, before: EvalRun, after: EvalRun, made: Revisions) -> str:
    """Why a metric decides nothing; empty where it may decide."""
    if metric.startswith("adherence") or metric == "persona_drift":
        return _judged_behaviours(metric, made)
    untrusted = next((note for note in after.notes if "' may not gate: " in note), "")
    if metric == "satisfaction_predicted":
        return untrusted
    places: Mapping[str, tuple[str, ...]] = {
        **dict.fromkeys(_OF_TURNS, ("turns", "every_turn")),
        **dict.fromkeys(_OF_GOALS, ("turns", "goal", "every_turn")),
        "violation_rate": ("violates",),
    }
    rests_on_one = any(
        not check.can_gate and check.place.startswith(places.get(metric, ()))
        for run in (*before.runs, *after.runs)
        for check in run.checks
    )
    return untrusted if rests_on_one else ""


def _judged_behaviours(metric: str, made: Revisions) -> str:
    """Judges of behaviours have no labelled answers to be held against."""
    named = metric.partition(":")[2]
    judged = {
        behaviour.id
        for loaded in (made.before.loaded, made.after.loaded)
        for persona in loaded.catalog.personas.values()
        for behaviour in persona.behaviours
        if behaviour.verify is not None and behaviour.verify.detector == "judge"
    }
    if (named and named in judged) or (not named and judged):
        return "a judge measures it whom nobody has held against labelled answers"
    return ""


def _notes(before: EvalRun, after: EvalRun) -> Iterator[str]:

    for name, run in (("before", before), ("after", after)):
        for state, what in (
            (CaseState.NOT_SCORED, "could not be scored"),
            (CaseState.ERROR, "broke off"),
        ):
            if found := [each for each in run.runs if each.state is state]:
                why = f", such as {found[0].id}: {found[0].why}" if found[0].why else ""
                cases = "case" if len(found) == 1 else "cases"
                yield f"{len(found)} {cases} {what} {name} the change{why}."
    yield from after.notes
