"""What a run of cases gave: one result for each case and repeat."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cache
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from app.domain.conduct import Conduct
from app.domain.errors import BannetonError
from app.domain.recording import AnswersFrom, GivenBy, Purpose
from app.evals.check_result import CheckResult
from app.evals.transcript import Transcript
from app.metrics.observed import ObservedTask


class CaseState(StrEnum):
    """How one run of a case ended."""

    HELD = "held"
    """All that it asks was looked at, and holds."""
    FAILED = "failed"
    """Something that it asks does not hold."""
    NOT_SCORED = "not_scored"
    """Nobody knows: it was not run, or something that it asks could not be looked at."""
    ERROR = "error"
    """It broke off: a model, the request or the case's own tools failed. No word on the persona."""


class Ended(StrEnum):
    """Why a conversation ended."""

    SCRIPT = "script"
    """The case had no more turns."""
    REACHED = "reached"
    """The simulated user says that it has what it wants."""
    GIVEN_UP = "given_up"
    """The simulated user says that it gives up."""
    PATIENCE = "patience"
    """It took as many turns as the simulated user takes at most."""


@dataclass(frozen=True, slots=True)
class Used:
    """Which recorded answers a case was given: how many, of whom, and from when."""

    purpose: Purpose
    backend: str
    model: str
    given_by: GivenBy
    answers: int
    oldest: date
    newest: date


@dataclass(frozen=True, slots=True)
class CaseRun:
    """One run of one case."""

    suite: str
    case: str
    """Its id within the suite; with the persona before it, where the suite is not of that alone."""
    persona: str
    variant: str | None
    audience: str
    """Empty where the policy's default was taken."""
    tags: tuple[str, ...]
    file: str
    line: int
    """Where the case stands, counted from 1; 0 where that is not known."""
    repeat: int
    """Counted from 0."""
    seed: int
    """That was sent to models that take one."""
    state: CaseState
    why: str
    """Why it is an error or was not scored; empty where checks say it."""
    ended: Ended | None
    """Why the conversation ended; none where it broke off."""
    checks: tuple[CheckResult, ...]
    """All that the case asks. What it forbids is held where it did not happen."""
    task: ObservedTask | None
    """What metrics are measured on; none where no exchange came to its end."""
    transcript: Transcript
    used: tuple[Used, ...] = ()

    @property
    def id(self) -> str:
        """The case, whatever the repeat."""
        return f"{self.suite}/{self.case}"

    @property
    def gates(self) -> bool:
        """Whether it speaks against a merge: not where only such judges object as may not."""
        if self.state is CaseState.HELD:
            return False
        return not self.checks or any(
            each.can_gate and each.conduct in {Conduct.FAILED, Conduct.NOT_SCORED}
            for each in self.checks
        )


@dataclass(frozen=True, slots=True)
class EvalRun:
    """All of a run, in the order of suites, cases and repeats."""

    catalog: str
    """The catalog's digest."""
    answers: AnswersFrom
    route: str | None
    """The route that all personas took; none where each took its own."""
    seed: int
    repeats: int
    runs: tuple[CaseRun, ...]
    at: datetime | None = None
    """When it began; none where all answers are recorded, and the same run gives the same bytes."""
    notes: tuple[str, ...] = ()
    """What a reader should know, such as which judges may not gate and why."""

    @property
    def tasks(self) -> tuple[ObservedTask, ...]:
        """What metrics are measured on."""
        return tuple(run.task for run in self.runs if run.task is not None)

    @property
    def counts(self) -> Mapping[CaseState, int]:
        """How many runs of cases ended how; every state is there."""
        return counts(self.runs)

    @property
    def answered(self) -> tuple[date, date] | None:
        """When the oldest and the newest of the recorded answers were given; none without any."""
        days = [day for run in self.runs for used in run.used for day in (used.oldest, used.newest)]
        return (min(days), max(days)) if days else None


def counts(runs: Sequence[CaseRun]) -> Mapping[CaseState, int]:
    """How many ended how; every state is there."""
    counted = Counter(run.state for run in runs)
    return {state: counted[state] for state in CaseState}


STATES: Mapping[Conduct, CaseState] = {
    Conduct.HELD: CaseState.HELD,
    Conduct.FAILED: CaseState.FAILED,
    Conduct.NOT_SCORED: CaseState.NOT_SCORED,
}
"""How a case ended that was run to its end."""


class ResultsError(BannetonError):
    """A file holds no results of a run."""


def results_json(run: EvalRun) -> bytes:
    """The run as JSON: equal for equal runs on recorded answers.

    Those have no times of day, and no durations but the ones that were recorded.
    """
    told = {
        **_header(run),
        "counts": {state.value: count for state, count in run.counts.items()},
        "answered": run.answered,
        "runs": [_plain(each, run) for each in run.runs],
    }
    return orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n"


def _header(run: EvalRun) -> dict[str, Any]:
    names = ("catalog", "answers", "route", "seed", "repeats", "at", "notes")
    return {"format": _FORMAT, **{name: getattr(run, name) for name in names}}


_FORMAT = 1
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def _plain(each: CaseRun, run: EvalRun) -> CaseRun:
    if run.at is not None or each.task is None:
        return each
    exchanges = tuple(replace(exchange, at=_NO_TIME) for exchange in each.task.exchanges)
    return replace(each, task=replace(each.task, exchanges=exchanges))


@cache
def _reader() -> TypeAdapter[EvalRun]:
    return TypeAdapter(EvalRun)


@cache
def _case_reader() -> TypeAdapter[CaseRun]:
    return TypeAdapter(CaseRun)


def read_results(content: bytes) -> EvalRun:
    """The run that ``results_json`` has written.

    Raises:
        ResultsError: It holds none; nothing of it is quoted.
    """
    try:
        told = orjson.loads(content)
        if not isinstance(told, dict) or told.pop("format", None) != _FORMAT:
            raise ResultsError(f"is no file of results of format {_FORMAT}; run 'banneton eval'")
        told = {key: value for key, value in told.items() if key not in {"counts", "answered"}}
        return _reader().validate_json(orjson.dumps(told), strict=True)
    except (orjson.JSONDecodeError, ValidationError) as exc:
        raise ResultsError(f"is no file of results: {_where(exc)}") from None


def case_line(run: CaseRun) -> bytes:
    """One run of a case as a line, without its line end."""
    return orjson.dumps(run)


def read_case_line(line: bytes) -> CaseRun:
    """The run of a case that ``case_line`` has written.

    Raises:
        ResultsError: It holds none.
    """
    try:
        return _case_reader().validate_json(line, strict=True)
    except ValidationError as exc:
        raise ResultsError(f"is no result of a case: {_where(exc)}") from None


def _where(exc: Exception) -> str:
    if isinstance(exc, ValidationError):
        first = exc.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(str(step) for step in first['loc']) or 'the line'}: {first['type']}"
    return "is no JSON"
