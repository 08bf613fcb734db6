"""The project's files as they were: compiled once for a few revisions, and forgotten again."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from app.catalog.files import CONTENT_FOLDERS, DEPLOYMENT_FILE
from app.domain.errors import RequestError
from app.pipeline.loaded import Loaded
from app.review.revisions import Commit, RevisionError, base_of, files_at, newest

_KEPT = 4
"""A compiled catalog takes megabytes."""
_LONGEST = 200
_LISTED = 20


class Past:
    """Compiles other revisions of the project; nothing is checked out, nothing is written."""

    def __init__(self, root: Path, load_at: Callable[[Path], Loaded]) -> None:
        """Begin with none.

        Args:
            root: The project's folder.
            load_at: Reads and compiles the files of a folder.
        """
        self._root = root
        self._load_at = load_at
        self._known: OrderedDict[str, Loaded] = OrderedDict()
        self._loading = asyncio.Lock()

    async def commits(self) -> tuple[Commit, ...]:
        """The newest revisions of the project's files; none where it is no repository."""
        try:
            return await asyncio.to_thread(newest, self._root, _LISTED)
        except RevisionError:
            return ()

    async def at(self, revision: str) -> Loaded:
        """The files of a revision, ready to serve.

        Args:
            revision: A branch, tag or commit, as Git takes it.

        Raises:
            RequestError: There is no repository, or no such revision.
            ContentError: The files were wrong.
        """
        if len(revision) > _LONGEST or not revision.isprintable():
            raise RequestError("revision: is no name of a branch, tag or commit", param="revision")
        try:
            base = await asyncio.to_thread(base_of, self._root, revision)
            async with self._loading:  # one at a time: it takes a core
                if base.commit not in self._known:
                    loaded = await asyncio.to_thread(self._load, base.commit)
                    self._known[base.commit] = loaded
                self._known.move_to_end(base.commit)
                while len(self._known) > _KEPT:
                    self._known.popitem(last=False)
                return self._known[base.commit]
        except RevisionError as exc:
            # Git's own words name folders of this machine; what to do is the same.
            what = "the project's folder is no Git repository, or has no such revision"
            raise RequestError(f"revision: {what}", param="revision", code="not_found") from exc

    def _load(self, commit: str) -> Loaded:
        names = (*CONTENT_FOLDERS, "evals", DEPLOYMENT_FILE)
        with files_at(self._root, commit, names) as folder:
            return self._load_at(folder)
