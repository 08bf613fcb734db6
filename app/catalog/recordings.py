"""``evals/recordings/``: recorded answers as files that people review, one for each suite.

A line an answer, in the order of cases, so that a change shows as the lines that it changed.
"""

import asyncio
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from typing_extensions import override

from app.catalog.document import file_problem
from app.catalog.recording_file import read_line, written_line
from app.domain.errors import ContentError, Problem
from app.domain.recording import Recording, Recordings

FOLDER = "evals/recordings"
_SUFFIX = ".jsonl"
_MAX_BYTES = 64_000_000
"""Of one file."""


class RecordingFiles(Recordings):
    """The recordings of a project, read at once and added to line by line.

    One process at a time may add to them.
    """

    def __init__(self, root: Path) -> None:
        """Read all files.

        Raises:
            ContentError: Every line of every file that holds no recording.
        """
        self._folder = root / FOLDER
        self._by_key: dict[str, Recording] = {}
        self._open: set[str] = set()
        """Suites whose files end with a whole line, and were added to since they were sorted."""
        self._lock = asyncio.Lock()
        problems: list[Problem] = []
        places: dict[str, str] = {}
        for path in sorted(self._folder.rglob(f"*{_SUFFIX}")):
            suite = path.relative_to(self._folder).as_posix().removesuffix(_SUFFIX)
            problems += self._read(path, suite, places)
        if problems:
            raise ContentError(problems)

    def _read(self, path: Path, suite: str, places: dict[str, str]) -> Iterable[Problem]:
        file = f"{FOLDER}/{suite}{_SUFFIX}"
        try:
            with path.open("rb") as opened:
                content = opened.read(_MAX_BYTES + 1)
        except OSError as exc:
            yield file_problem(file, f"cannot be read: {type(exc).__name__}")
            return
        if len(content) > _MAX_BYTES:
            yield file_problem(file, f"is larger than {_MAX_BYTES} bytes")
            return
        *lines, rest = content.split(b"\n")
        for number, line in enumerate((*lines, rest), 1):
            if not line.strip():
                continue
            try:
                recording = read_line(line, suite)
            except ValueError as exc:
                if number <= len(lines):  # else a run was stopped while it wrote this
                    what = f"{exc}; remove the line and record it again with --answers record"
                    yield Problem(file, number, 1, "", what)
                continue
            if recording.key in places:
                what = f"answers the same question as {places[recording.key]}; remove one of them"
                yield Problem(file, number, 1, "", what)
            places[recording.key] = f"{file}:{number}"
            self._by_key[recording.key] = recording

    @override
    def find(self, key: str) -> Recording | None:
        return self._by_key.get(key)

    @property
    def all(self) -> Collection[Recording]:
        """Every recording that there is."""
        return self._by_key.values()

    @override
    async def keep(self, recording: Recording) -> None:
        line = written_line(recording) + b"\n"
        async with self._lock:
            if recording.key in self._by_key:
                return  # asked twice at the same time; the first answer counts
            self._by_key[recording.key] = recording
            if recording.suite in self._open:
                await asyncio.to_thread(_append, self._path(recording.suite), line)
            else:
                await asyncio.to_thread(self._write, recording.suite)
                self._open.add(recording.suite)

    async def settle(self) -> None:
        """Sort the files that were added to."""
        async with self._lock:
            for suite in sorted(self._open):
                await asyncio.to_thread(self._write, suite)
            self._open.clear()

    async def remove(self, keys: Collection[str]) -> None:
        """Remove answers; a file that holds none any more is removed, too."""
        async with self._lock:
            removed = [self._by_key.pop(key) for key in keys if key in self._by_key]
            for suite in sorted({each.suite for each in removed}):
                await asyncio.to_thread(self._write, suite)
                self._open.discard(suite)

    def _path(self, suite: str) -> Path:
        return self._folder / f"{suite}{_SUFFIX}"

    def _write(self, suite: str) -> None:
        """Write the whole file, sorted. It is the old one or the new one, whatever happens."""
        path = self._path(suite)
        of_suite = [each for each in self._by_key.values() if each.suite == suite]
        if not of_suite:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_name(f".{path.name}.new")
        made.unlink(missing_ok=True)
        _append(made, b"".join(written_line(each) + b"\n" for each in sorted(of_suite, key=_place)))
        made.replace(path)


def _place(recording: Recording) -> tuple[str, int, int, str]:
    """Where a line stands: a question that is asked otherwise keeps its place."""
    return recording.case, recording.repeat, recording.step, recording.key


def _append(path: Path, content: bytes) -> None:
    """Add to a file. Durable when it returns."""
    with path.open("ab") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
