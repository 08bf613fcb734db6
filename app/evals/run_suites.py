"""Runs cases that are conversations: so many at a time, each result kept as it comes."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from app.backends.recorded import Questions
from app.catalog.conversation_case import ConversationCase
from app.catalog.suite import Suite
from app.domain.decision import Outcome
from app.domain.errors import RequestError
from app.domain.recording import AnswersFrom, Purpose
from app.evals.asking import Means
from app.evals.journal import Journal
from app.evals.observed_case import all_checks, satisfaction_of, task_of
from app.evals.play import Played, Player, Stage
from app.evals.results import STATES, CaseRun, CaseState, Used
from app.evals.scoring import score_case
from app.evals.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Selection:
    """Which cases are run; what is empty takes all."""

    suites: frozenset[str] = frozenset()
    personas: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    """A case needs one of them."""
    cases: frozenset[str] = frozenset()
    """By id."""

    def takes(self, suite: Suite, case: ConversationCase) -> bool:
        """Whether a case is run."""
        return (
            (not self.suites or suite.id in self.suites)
            and (not self.personas or case.persona in self.personas)
            and (not self.tags or bool(self.tags.intersection(case.written.tags)))
            and (not self.cases or case.id in self.cases)
        )


@dataclass(frozen=True, slots=True)
class Options:
    """How cases are run."""

    answers: AnswersFrom = AnswersFrom.RECORDED
    route: str | None = None
    """All personas take it; none leaves each case its own."""
    repeats: int | None = None
    """Of every case; none leaves that to the cases."""
    seed: int = 0
    """Of cases that name none; repeats count on from it."""
    at_once: int = 4


@dataclass(frozen=True, slots=True)
class Planned:
    """One run of one case, before it."""

    suite: Suite
    case: ConversationCase
    repeat: int
    seed: int

    @property
    def case_id(self) -> str:
        """Within the suite: in a suite of several personas their cases may share ids."""
        is_own = self.suite.id == f"personas/{self.case.persona}"
        return self.case.id if is_own else f"{self.case.persona}/{self.case.id}"

    @property
    def task_id(self) -> str:
        """The case, whatever the repeat."""
        return f"{self.suite.id}/{self.case_id}"


@dataclass(frozen=True, slots=True)
class Opened:
    """What one run of a case is played and judged with."""

    stage: Stage
    means: Means
    questions: Questions


Open = Callable[[Planned], Opened]


def planned(
    suites: Mapping[str, Suite], selection: Selection, options: Options
) -> tuple[Planned, ...]:
    """All that is to be run, in order.

    Raises:
        RequestError: Nothing is selected: a filter that fits nothing must not look like success.
    """
    found = [
        Planned(suite, case, repeat, (case.written.seed or options.seed) + repeat)
        for suite in suites.values()
        for case in suite.cases
        if selection.takes(suite, case)
        for repeat in range(options.repeats or case.written.repeats)
    ]
    if not found:
        there = sum(len(suite.cases) for suite in suites.values())
        what = "there are no conversations under evals/ and in personas/*.cases.yaml; write one"
        if there:
            known = ", ".join(sorted(suites))
            what = f"no case fits the filters; there are {there} cases in {known}"
        raise RequestError(what)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Watch:
    """What a run tells while it goes on, and where it keeps its results."""

    journal: Journal | None = None
    done: tuple[CaseRun, ...] = ()
    """Results that there are already."""
    on_result: Callable[[CaseRun], None] = lambda _: None


async def run_suites(
    runs: Sequence[Planned],
    options: Options,
    open_stage: Open,
    trusted: Mapping[str, Collection[str]],
    watch: Watch,
) -> tuple[CaseRun, ...]:
    """Run cases. The results are in the order of ``runs``, whichever came first.

    Args:
        runs: What is run.
        options: How.
        open_stage: Gives what one run is played and judged with.
        trusted: By suite, the judges that may stop a merge.
        watch: Told of each result.
    """
    known = {(run.id, run.repeat): run for run in watch.done}
    slots = asyncio.Semaphore(options.at_once)

    async def one(each: Planned) -> CaseRun:
        async with slots:
            result = await _run(each, open_stage(each), trusted.get(each.suite.id, ()))
            if watch.journal is not None:
                await watch.journal.keep(result)
            watch.on_result(result)
            return result

    left = [each for each in runs if (each.task_id, each.repeat) not in known]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(each)) for each in left]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None  # the first one ended the others
    known.update({(run.id, run.repeat): run for run in (task.result() for task in tasks)})
    return tuple(known[each.task_id, each.repeat] for each in runs)


async def _run(each: Planned, opened: Opened, trusted: Collection[str]) -> CaseRun:
    session = f"{each.task_id}#{each.repeat}"
    player = Player(each.case, opened.stage, seed=each.seed, session=session)
    played = await player.play()
    written = each.case.written
    result = CaseRun(
        suite=each.suite.id,
        case=each.case_id,
        persona=each.case.persona,
        variant=written.variant,
        audience=written.audience or "",
        tags=written.tags,
        file=each.case.source.file,
        line=each.case.source.line,
        repeat=each.repeat,
        seed=each.seed,
        state=CaseState.NOT_SCORED,
        why="",
        ended=played.ended,
        checks=(),
        task=None,
        transcript=played.transcript,
    )
    if missing := _missing(each, opened.questions):
        result = replace(result, why=missing)
    elif played.error:
        result = replace(result, state=CaseState.ERROR, why=played.error)
    elif not played.exchanges:
        result = replace(result, why="the simulated user said nothing")
    else:
        result = await _judged(result, each, opened, played, trusted)
    return replace(result, used=tuple(_used(opened.questions)))


async def _judged(
    result: CaseRun, each: Planned, opened: Opened, played: Played, trusted: Collection[str]
) -> CaseRun:
    """With what is thought of a conversation that came to its end."""
    scores = await score_case(each.case, played.transcript, opened.means, trusted)
    satisfaction = await satisfaction_of(each.suite, played, opened.means)
    task = task_of(each.task_id, each.case, played, scores, satisfaction)
    state = STATES[scores.conduct]
    why = _missing(each, opened.questions) if state is CaseState.NOT_SCORED else ""
    if is_outage(state, played.transcript):
        state, why = CaseState.ERROR, "a detector could not look, and policy let nothing through"
    return replace(
        result,
        state=state,
        why=why,
        checks=all_checks(scores),
        task=replace(task, repeat=each.repeat),
    )


def is_outage(state: CaseState, transcript: Transcript) -> bool:
    """Whether an outage of a detector stands where an answer should; a case may ask for that."""
    stopped = any(turn.outcome is Outcome.UNCHECKED for turn in transcript.turns)
    return stopped and state is not CaseState.HELD


def _missing(each: Planned, questions: Questions) -> str:
    """What was not asked, with the remedy; empty where all was."""
    if questions.is_over_ceiling:
        return "not asked: the run may not cost more; raise the ceiling and add --resume"
    if not questions.unrecorded:
        return ""
    first = questions.unrecorded[0]
    of = f"{first.backend}/{first.model}" if first.model else first.backend
    what = f"no answer of {of} to this is recorded ({_FOR[first.purpose]})"
    return f"{what}; banneton eval --answers record --suite {each.suite.id} asks for it"


_FOR = {
    Purpose.ANSWER: "the persona's answer",
    Purpose.DETECTOR: "what a detector asks",
    Purpose.USER: "what the simulated user says",
    Purpose.JUDGE: "what a check asks",
}


def _used(questions: Questions) -> Iterator[Used]:
    """Which recorded answers were given, summed up, in a fixed order."""
    given = sorted(
        (purpose, recording.backend, recording.model, recording.given_by, recording.on)
        for purpose, recording in questions.answered
    )
    for (purpose, backend, model, given_by), group in groupby(given, key=lambda each: each[:4]):
        days = [each[4] for each in group]
        yield Used(purpose, backend, model, given_by, len(days), min(days), max(days))
