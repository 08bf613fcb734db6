"""Part of ``main``: runs the conversations of a project. What ``banneton eval`` stands on."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.catalog.recordings import RecordingFiles
from app.catalog.suite import Suite
from app.domain.conversation import Json
from app.domain.recording import AnswersFrom, Recording
from app.evals.careful import Careful
from app.evals.cases import cases_of
from app.evals.ceiling import Ceiling
from app.evals.journal import Journal
from app.evals.results import CaseRun, EvalRun
from app.evals.run_suites import Options, Planned, Selection, Watch, planned, run_suites
from app.evals.stale import stale_of
from app.evals.trusted import trusted_judges
from app.main import Project, SystemClock
from app.pipeline.loaded import Loaded
from app.stages import Wanted, route_named, route_of, stages


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be run, how, and for how much."""

    selection: Selection = field(default_factory=Selection)
    options: Options = field(default_factory=Options)
    ceiling: Ceiling = field(default_factory=Ceiling)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A run, and the recordings that nothing in it asked for."""

    run: EvalRun
    stale: tuple[Recording, ...]


async def evaluate(
    project: Project,
    loaded: Loaded,
    wish: Wish,
    journal: Callable[[Json], Journal] | None = None,
    *,
    resumes: bool = False,
    on_result: Callable[[CaseRun, int], None] = lambda _run, _of: None,
) -> Evaluated:
    """Run the conversations of a project.

    Args:
        project: Whose cases are run.
        loaded: Its catalog, compiled.
        wish: Which cases, how, and for how much.
        journal: Gives where results are kept while they come, for what identifies the run.
        resumes: Go on from what the journal has.
        on_result: Told of each result, and how many there are to be in all.

    Raises:
        BannetonError: It could not be run, or nothing was selected.
    """
    suites = cases_of(project.root, loaded.catalog, project.builds).suites
    options = wish.options
    runs = planned(suites, wish.selection, options)
    for each in runs:
        if (route := route_of(each, options)) is not None:
            route_named(loaded, route)
    kept = None if journal is None else journal(_identity(loaded, runs, options))
    done: tuple[CaseRun, ...] = ()
    if kept is not None:
        done = kept.resume() if resumes else ()
        if not resumes:
            kept.begin()
    files = RecordingFiles(project.root)
    recordings = Careful(files, project.builds)
    began = SystemClock().now()
    wanted = Wanted(runs, options, wish.ceiling)
    async with stages(project, loaded, wanted, recordings) as opened:
        try:
            trusted, notes = await trusted_judges(project.root, _suites(runs), opened.means)
            watch = Watch(kept, done, lambda result: on_result(result, len(runs)))
            results = await run_suites(runs, options, opened.open, trusted, watch)
            if kept is not None:
                kept.end(results)
        finally:
            await files.settle()
        used = {answer.key for asked in opened.questions for _, answer in asked.answered}
    run = EvalRun(
        catalog=loaded.catalog.digest,
        answers=options.answers,
        route=options.route,
        seed=options.seed,
        repeats=max(each.repeat for each in runs) + 1,
        runs=results,
        at=None if options.answers is AnswersFrom.RECORDED else began,
        notes=notes,
    )
    is_whole = not done and options.answers is not AnswersFrom.LIVE
    stale = tuple(stale_of(files.all, used, run, loaded)) if is_whole else ()
    return Evaluated(run, stale)


def _suites(runs: Sequence[Planned]) -> Sequence[Suite]:
    return [*{each.suite.id: each.suite for each in runs}.values()]


def _identity(loaded: Loaded, runs: Sequence[Planned], options: Options) -> Json:
    """What must be the same for a run to go on from another one."""
    cases = [(each.task_id, each.repeat, each.seed, repr(each.case)) for each in runs]
    return {
        "catalog": loaded.catalog.digest,
        "cases": hashlib.sha256(repr(cases).encode()).hexdigest(),
        "answers": options.answers,
        "route": options.route,
    }
