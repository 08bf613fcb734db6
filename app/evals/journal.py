"""Results of a run, kept one by one as they come, so that a run that was stopped can go on."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import orjson

from app.domain.conversation import Json
from app.domain.errors import RequestError
from app.evals.results import CaseRun, CaseState, ResultsError, case_line, read_case_line

_FINAL = frozenset({CaseState.HELD, CaseState.FAILED})
"""What is not run again. A run that broke off, or of which something was not scored, is."""


class Journal:
    """A file with a line for what is run, and one for each result. Kept durably, in any order."""

    def __init__(self, path: Path, runs: Json) -> None:
        """Hold where it is.

        Args:
            path: The file.
            runs: What is run, as JSON: equal for runs that can go on from one another.
        """
        self._path = path
        self._runs = runs
        self._lock = asyncio.Lock()

    def begin(self) -> None:
        """Begin a new file in place of the last run's."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._write("wb", orjson.dumps(self._runs) + b"\n")

    def resume(self) -> tuple[CaseRun, ...]:
        """The results that are final, to go on after them.

        Raises:
            RequestError: There is no such run to go on from.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            raise RequestError("--resume: no run was stopped; leave it out") from None
        *lines, rest = content.split(b"\n")
        if not lines or _json(lines[0]) != orjson.loads(orjson.dumps(self._runs)):
            what = "--resume: the run that was stopped was of other files or options"
            raise RequestError(f"{what}; leave --resume out to begin anew")
        if rest:  # the process was stopped while it wrote this
            with self._path.open("r+b") as opened:
                opened.truncate(len(content) - len(rest))
        kept = {(run.id, run.repeat): run for run in self._results(lines[1:])}
        return tuple(run for run in kept.values() if run.state in _FINAL)

    def _results(self, lines: list[bytes]) -> Iterator[CaseRun]:
        for number, line in enumerate(lines, 2):
            try:
                yield read_case_line(line)
            except ResultsError as exc:
                what = f"--resume: {self._path.name}:{number} {exc}; leave --resume out"
                raise RequestError(what) from None

    async def keep(self, run: CaseRun) -> None:
        """Keep a result. Durable when it returns."""
        async with self._lock:
            await asyncio.to_thread(self._write, "ab", case_line(run) + b"\n")

    def _write(self, mode: str, content: bytes) -> None:
        with self._path.open(mode) as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())


def _json(line: bytes) -> Json:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
