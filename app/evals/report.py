"""A run for readers: as text, as CSV, and as JUnit suites."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from app.domain.conduct import Conduct
from app.domain.recording import AnswersFrom, GivenBy
from app.evals.check_result import CheckResult
from app.evals.junit import Ending, JUnitCase, JUnitSuite
from app.evals.results import CaseRun, CaseState, EvalRun, counts
from app.metrics.definitions import Measurement, measure, metrics_of

WORDS: Mapping[CaseState, str] = {
    CaseState.HELD: "held",
    CaseState.FAILED: "failed",
    CaseState.NOT_SCORED: "not scored",
    CaseState.ERROR: "errors",
}


def counted_states(runs: Sequence[CaseRun]) -> str:
    """How many ended how, every state named."""
    return ", ".join(f"{count} {WORDS[state]}" for state, count in counts(runs).items())


def by_suite(run: EvalRun) -> Iterator[tuple[str, str, list[CaseRun]]]:
    """The runs of each persona in each suite."""
    for (suite, persona), group in groupby(run.runs, key=lambda each: (each.suite, each.persona)):
        yield suite, persona, list(group)


def measurements(run: EvalRun) -> Iterator[Measurement]:
    """Each metric of which something is known."""
    return (each for each in _measured(run) if each.estimate is not None)


def not_measured(run: EvalRun) -> list[str]:
    """The metrics of which nothing is known, by title."""
    return [each.metric.title for each in _measured(run) if each.estimate is None]


def _measured(run: EvalRun) -> Iterator[Measurement]:
    tasks = run.tasks
    return (measure(metric, tasks) for metric in metrics_of(tasks))


def objections(run: CaseRun) -> tuple[CheckResult, ...]:
    """The checks that did not hold."""
    wrong = {Conduct.FAILED, Conduct.NOT_SCORED}
    return tuple(each for each in run.checks if each.conduct in wrong)


def sources(run: EvalRun) -> Iterator[str]:
    """Where answers came from, in words."""
    if run.answers is AnswersFrom.LIVE:
        yield "Every model was asked."
        return
    given: dict[tuple[GivenBy, str], int] = {}
    for each in (used for one in run.runs for used in one.used):
        of = f"{each.backend}/{each.model}" if each.model else each.backend
        given[each.given_by, of] = given.get((each.given_by, of), 0) + each.answers
    for (by, of), count in sorted(given.items()):
        yield f"{count} recorded answers of {of}{_BY[by]}"
    if run.answered is not None:
        oldest, newest = run.answered
        yield f"recorded from {oldest} to {newest}"


_BY = {
    GivenBy.MODEL: ", a model",
    GivenBy.SCRIPT: ", written by people: they say nothing of any model",
    GivenBy.ENDPOINT: ", an endpoint",
}


def text_report(run: EvalRun) -> Iterator[str]:
    """The run in lines."""
    for suite, persona, runs in by_suite(run):
        yield f"{suite} ({persona}): {counted_states(runs)}"
    for each in run.runs:
        if each.state is not CaseState.HELD:
            yield ""
            yield from _told(each)
    yield ""
    yield "metrics, with 95 % intervals"
    for measured in measurements(run):
        missed = f"; not scored: {measured.missed}" if measured.missed else ""
        yield f"  {measured.metric.title:<44} {estimate(measured)}{missed}"
    if missing := not_measured(run):
        yield f"  not scored: {', '.join(missing)}"
    yield ""
    yield from run.notes
    yield from sources(run)
    yield counted_states(run.runs)


def estimate(measured: Measurement) -> str:
    """A metric's value with its interval and unit."""
    if measured.estimate is None:
        return "not scored"
    return f"{measured.estimate} {measured.metric.unit}"


def title(run: CaseRun) -> str:
    """A run of a case by name; the first repeat is not named so."""
    return run.id if not run.repeat else f"{run.id} #{run.repeat + 1}"


def _told(run: CaseRun) -> Iterator[str]:
    where = f"{run.file}:{run.line}" if run.line else run.file
    advisory = "" if run.gates else " (gates nothing)"
    yield f"{WORDS[run.state].removesuffix('s')}: {title(run)} ({where}){advisory}"
    if run.why:
        yield f"  {run.why}"
    for each in objections(run):
        yield f"  {objection(each)}"


def objection(check: CheckResult) -> str:
    """What a check says."""
    state = "" if check.conduct is Conduct.FAILED else "not scored: "
    return f"{check.place} {check.check}: {state}{check.why}"


_COLUMNS = (
    "suite", "case", "persona", "variant", "audience", "repeat", "seed", "state", "gates", "why",
    "checks_held", "checks_failed", "checks_not_scored", "turns", "outcome", "cost_usd",
    "input_tokens", "output_tokens", "first_token_ms", "file", "line",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_report(run: EvalRun) -> str:
    """A line for each run of a case. What is not known is empty, never 0."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for each in run.runs:
        writer.writerow([_cell(value) for value in _row(each)])
    return text.getvalue()


def _row(run: CaseRun) -> Iterator[object]:
    conducts = [each.conduct for each in run.checks]
    exchanges = () if run.task is None else run.task.exchanges
    yield from (run.suite, run.case, run.persona, run.variant, run.audience, run.repeat, run.seed)
    yield from (run.state.value, "yes" if run.gates else "no", run.why)
    yield from (conducts.count(each) for each in _COUNTED)
    yield len(run.transcript.turns)
    yield run.transcript.turns[-1].outcome.value if run.transcript.turns else None
    yield _sum([each.cost for each in exchanges])
    yield _sum([each.tokens_in for each in exchanges])
    yield _sum([each.tokens_out for each in exchanges])
    yield exchanges[0].first_token_ms if exchanges else None
    yield from (run.file, run.line)


_COUNTED = (Conduct.HELD, Conduct.FAILED, Conduct.NOT_SCORED)


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _cell(value: object) -> object:
    """A text that a spreadsheet would run as a formula gets a mark before it."""
    is_formula = isinstance(value, str) and value.startswith(_FORMULA)
    return f"'{value}" if is_formula else value


def junit_suites(run: EvalRun) -> Iterator[JUnitSuite]:
    """The run as suites of JUnit, one for each persona in each suite."""
    properties = {"catalog": run.catalog, "answers": run.answers.value}
    if run.route is not None:
        properties["route"] = run.route
    for suite, persona, runs in by_suite(run):
        cases = [_junit_case(each) for each in runs]
        name = suite if suite.endswith(f"/{persona}") else f"{suite}/{persona}"
        yield JUnitSuite(name, cases, properties)


def _junit_case(run: CaseRun) -> JUnitCase:
    wrong = objections(run)
    first = objection(wrong[0]) if wrong else ""
    return JUnitCase(
        name=title(run),
        classname=run.suite,
        ending=_ENDINGS.get(run.state),
        message=run.why or first,
        details="\n".join(objection(each) for each in wrong),
        kind=wrong[0].check if wrong else run.state.value,
        file=run.file,
        line=run.line,
        properties={
            "persona": run.persona,
            "repeat": str(run.repeat),
            "gates": "yes" if run.gates else "no",
        },
    )


_ENDINGS: Mapping[CaseState, Ending] = {
    CaseState.FAILED: Ending.FAILURE,
    CaseState.NOT_SCORED: Ending.SKIPPED,
    CaseState.ERROR: Ending.ERROR,
}
