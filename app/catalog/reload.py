"""Keeps a running gateway at the newest valid revision of its files.

Files are the truth, and file events only a reason to look: a poll finds what events miss (network
file systems, mounted configuration that is swapped by a link).
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

from watchfiles import awatch

from app.catalog.document import file_problem
from app.catalog.files import CONTENT_FOLDERS, DEPLOYMENT_FILE, content_files
from app.domain.catalog import Catalog
from app.domain.errors import ContentError, Problem

CompiledT = TypeVar("CompiledT")
Fingerprint = frozenset[tuple[str, int, int, int]]
_log = logging.getLogger("banneton.catalog")


class Health(StrEnum):
    """Whether what is served is what the files say."""

    READY = "ready"
    DEGRADED = "degraded"
    """The files are wrong; the last good revision is served."""


class Change(StrEnum):
    """What a look at the files led to."""

    NONE = "none"
    """They mean what they meant before."""
    SWAPPED = "swapped"
    """A new revision is served."""
    REFUSED = "refused"
    """They are wrong; nothing changed."""


@dataclass(frozen=True, slots=True)
class Revision(Generic[CompiledT]):
    """A catalog and what was compiled from it. A request keeps the one it began with."""

    catalog: Catalog
    compiled: CompiledT


@dataclass(frozen=True, slots=True)
class State:
    """Whether the files as they are now are being served, and why not."""

    health: Health
    problems: tuple[Problem, ...] = ()


class Reloader(Generic[CompiledT]):
    """Serves one revision at a time and replaces it in one step."""

    def __init__(
        self,
        root: Path,
        read: Callable[[], Catalog],
        compile_catalog: Callable[[Catalog], CompiledT],
    ) -> None:
        """Load for the first time.

        Args:
            root: The project's root.
            read: Reads the files; raises ``ContentError``.
            compile_catalog: Makes of a catalog what requests need. Called in a thread, aside from
                the revision that is being served; may raise ``ContentError``.

        Raises:
            ContentError: There is no good revision to begin with.
        """
        self._root = root
        self._read = read
        self._compile = compile_catalog
        self._lock = threading.Lock()
        self._seen = self._fingerprint()
        catalog = read()
        self._revision = Revision(catalog, compile_catalog(catalog))
        self._state = State(Health.READY)

    @property
    def revision(self) -> Revision[CompiledT]:
        """What is served now. Take it once for each request."""
        return self._revision

    @property
    def state(self) -> State:
        """Whether that is what the files say."""
        return self._state

    def look(self) -> Change:
        """Read the files if they changed, and serve them if they are right. Raises nothing."""
        with self._lock:
            # Taken before the files are read: a change in the meantime is seen the next time.
            fingerprint = self._fingerprint()
            if fingerprint == self._seen:
                return Change.NONE
            self._seen = fingerprint
            return self._load()

    def _load(self) -> Change:
        try:
            catalog = self._read()
            if catalog.digest == self._revision.catalog.digest:
                self._state = State(Health.READY)
                return Change.NONE
            revision = Revision(catalog, self._compile(catalog))
        except ContentError as exc:
            return self._refuse(exc.problems)
        except Exception as exc:  # noqa: BLE001  # whatever fails, the last good revision is served
            what = f"could not be loaded: {type(exc).__name__}"
            return self._refuse((file_problem(".", what),))
        self._revision = revision
        self._state = State(Health.READY)
        _log.info("catalog %s is served", catalog.digest)
        return Change.SWAPPED

    def _refuse(self, problems: tuple[Problem, ...]) -> Change:
        self._state = State(Health.DEGRADED, problems)
        _log.error("files are wrong; catalog %s stays", self._revision.catalog.digest)
        for problem in problems:
            _log.error("%s", problem)
        return Change.REFUSED

    async def watch(self, stop: asyncio.Event, *, poll_s: float = 2.0) -> None:
        """Follow the files until ``stop`` is set. Ends early only where it is cancelled.

        Args:
            stop: Set it to end.
            poll_s: How often to look where no event comes.
        """
        while not stop.is_set():
            watched = self._watched()
            try:
                changes = awatch(
                    *watched,
                    watch_filter=None,
                    debounce=1_000,
                    step=100,
                    stop_event=stop,
                    rust_timeout=int(poll_s * 1_000),
                    yield_on_timeout=True,
                )
                async with aclosing(changes):
                    async for _ in changes:
                        await asyncio.to_thread(self.look)
                        if watched != self._watched():
                            break
            except (OSError, RuntimeError) as exc:
                # No more file events, such as where the system's watches are used up: poll.
                _log.warning("file events failed (%s); polling", type(exc).__name__)
                await asyncio.to_thread(self.look)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), poll_s)

    def _watched(self) -> list[Path]:
        paths = [self._root / name for name in (*CONTENT_FOLDERS, DEPLOYMENT_FILE)]
        return [path for path in paths if path.exists()]

    def _fingerprint(self) -> Fingerprint:
        return frozenset(self._marks())

    def _marks(self) -> Iterator[tuple[str, int, int, int]]:
        for path in content_files(self._root):
            with suppress(OSError):  # it went away in the meantime, which is a change as well
                mark = path.stat()
                yield str(path), mark.st_mtime_ns, mark.st_size, mark.st_ino
