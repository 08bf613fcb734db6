"""What each persona is like, made once for a catalog: it runs every policy on its cases."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from app.catalog.recordings import RecordingFiles
from app.domain.clock import Clock
from app.evals.cases import cases_of
from app.evals.gallery import Shown, gallery
from app.guardrails.plan import Builds
from app.pipeline.loaded import Loaded


class Showing:
    """The gallery of what is served."""

    def __init__(self, root: Path, builds: Builds, clock: Clock) -> None:
        """Begin with none.

        Args:
            root: The project's folder, with its cases and recordings.
            builds: Kinds of detectors, and those that were built.
            clock: Says which waivers hold.
        """
        self._root = root
        self._builds = builds
        self._clock = clock
        self._digest = ""
        self._shown: Mapping[str, Shown] = {}
        self._making = asyncio.Lock()

    async def of(self, loaded: Loaded) -> Mapping[str, Shown]:
        """Every persona by id; for the first visitor of a catalog it takes seconds.

        Raises:
            ContentError: The project's cases or recordings cannot be read.
        """
        async with self._making:
            if self._digest != loaded.catalog.digest:
                self._shown = await asyncio.to_thread(self._made, loaded)
                self._digest = loaded.catalog.digest
        return self._shown

    def _made(self, loaded: Loaded) -> Mapping[str, Shown]:
        cases = cases_of(self._root, loaded.catalog, self._builds)
        recordings = RecordingFiles(self._root).all
        # A loop of its own, beside the one that serves.
        shown = asyncio.run(gallery(loaded, cases, recordings, self._clock))
        return {each.persona.id: each for each in shown}
