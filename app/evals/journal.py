"""Results of a run, kept one by one as they come, so that a run that was stopped can go on."""

import asyncio
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from app.domain.conversation import Json
from app.domain.errors import RequestError
from app.evals.results import CaseRun, CaseState, ResultsError, case_line, read_case_line

_FINAL = frozenset({CaseState.HELD, CaseState.FAILED})
"""What is not run again. A run that broke off, or of which something was not scored, is."""


class Journal:
    """A file with a line for what is run, and one for each result. Kept durably, in any order."""

    def __init__(self, folder: Path, runs: Json) -> None:
        """Hold where it is.

        Args:
            folder: Holds journals.
            runs: What is run, as JSON: equal for runs that can go on from one another, which have
                the same file.
        """
        self._first = orjson.dumps(runs, option=orjson.OPT_SORT_KEYS)
        self.path = folder / f"{hashlib.sha256(self._first).hexdigest()[:16]}.jsonl"
        self._lock = asyncio.Lock()

    def begin(self) -> None:
        """Begin a new file in place of the last run's."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._write("wb", self._first + b"\n")

    def resume(self) -> tuple[CaseRun, ...]:
        """The results that are final, to go on after them.

        Raises:
            RequestError: There is no such run to go on from.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            what = "--resume: no run of these files with these options was stopped"
            raise RequestError(f"{what}; leave it out to begin anew") from None
        *lines, rest = content.split(b"\n")
        if not lines or lines[0] != self._first:
            raise RequestError(f"--resume: {self.path.name} is damaged; leave it out")
        if rest:  # the process was stopped while it wrote this
            with self.path.open("r+b") as opened:
                opened.truncate(len(content) - len(rest))
        kept = {(run.id, run.repeat): run for run in self._results(lines[1:])}
        return tuple(run for run in kept.values() if run.state in _FINAL)

    def _results(self, lines: list[bytes]) -> Iterator[CaseRun]:
        for number, line in enumerate(lines, 2):
            try:
                yield read_case_line(line)
            except ResultsError as exc:
                what = f"--resume: {self.path.name}:{number} {exc}; leave --resume out"
                raise RequestError(what) from None

    async def keep(self, run: CaseRun) -> None:
        """Keep a result. Durable when it returns."""
        async with self._lock:
            await asyncio.to_thread(self._write, "ab", case_line(run) + b"\n")

    def end(self, runs: Iterable[CaseRun]) -> None:
        """Remove the file, unless something of the run is left to go on with."""
        if all(run.state in _FINAL for run in runs):
            self.path.unlink(missing_ok=True)

    def _write(self, mode: str, content: bytes) -> None:
        with self.path.open(mode) as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
