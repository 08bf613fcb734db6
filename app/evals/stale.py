"""Recordings that nobody asks for any more."""

from collections.abc import Collection, Iterator

from app.domain.recording import Recording
from app.evals.results import CaseRun, CaseState, EvalRun
from app.pipeline.loaded import Loaded


def stale_of(
    recordings: Collection[Recording], used: Collection[str], run: EvalRun, loaded: Loaded
) -> Iterator[Recording]:
    """Recordings that nothing asks for any more, as far as this run can tell.

    Those of cases that did not come to their end may still be asked for, and so may those of models
    on other routes.
    """
    ended = {CaseState.HELD, CaseState.FAILED}
    by_case: dict[tuple[str, str], list[CaseRun]] = {}
    for each in run.runs:
        by_case.setdefault((each.suite, each.case), []).append(each)
    asked = {(each.backend, each.model) for one in run.runs for each in one.used}
    on_routes = {
        (target.backend, target.model)
        for route in loaded.routes.values()
        for target in route.all_targets
    }
    for recording in sorted(recordings, key=_place):
        of_case = by_case.get((recording.suite, recording.case), [])
        has_ended = all(one.state in ended for one in of_case)
        is_run = any(one.repeat == recording.repeat for one in of_case)
        model = recording.backend, recording.model
        may_ask = model in on_routes and model not in asked
        if recording.key not in used and is_run and has_ended and not may_ask:
            yield recording


def _place(recording: Recording) -> tuple[str, str, int, int]:
    return recording.suite, recording.case, recording.repeat, recording.step
