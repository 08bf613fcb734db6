"""A draft: some of a project's files changed, read and compiled as ever, and written nowhere.

Files are copied to a private folder, which is removed again; the project's own is only read.
"""

import difflib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from app.catalog.files import CONTENT_FOLDERS, DEPLOYMENT_FILE, visible_files
from app.catalog.weakenings import FOLDER
from app.catalog.yaml_source import MAX_BYTES, decode_text, read_bytes
from app.domain.errors import RequestError
from app.pipeline.loaded import Loaded
from app.review.diffs import Edits, lines_of, patch_of
from app.review.names import editable
from app.review.patches import apply
from app.review.revisions import RevisionError, prefix_of

Draft = Mapping[str, str | None]
"""Files by name as somebody typed them, with line feeds alone; none removes a file."""

PLANNED = (*CONTENT_FOLDERS, FOLDER, "evals", DEPLOYMENT_FILE)
"""What a plan reads of a project."""
MOST_FILES = 50
_KEPT = 4
"""Drafts that stay compiled, the newest."""


class DraftError(RequestError):
    """A draft that cannot be looked at."""


class Drafts:
    """What can be changed of a project, and what becomes of it."""

    def __init__(self, root: Path, load: Callable[[Path], Loaded]) -> None:
        """Look at the files under ``root``; ``load`` reads and compiles a copy of them."""
        self.root = root
        self._load = load
        self._loaded: dict[str, Loaded] = {}

    def names(self) -> list[str]:
        """Every file that a draft may change."""
        found = (path for folder in CONTENT_FOLDERS for path in visible_files(self.root, folder))
        names = (path.relative_to(self.root).as_posix() for path in found)
        return [name for name in names if not editable(name)]

    def text(self, name: str) -> str:
        """A file as it is, with line feeds alone.

        Raises:
            BannetonError: It is not there, may not be seen or is no text.
        """
        content = self.content(name)
        if content is None:
            raise DraftError(f"{name}: there is no such file")
        return _typed(decode_text(content, name))

    def content(self, name: str) -> bytes | None:
        """A file as it is; none where there is none.

        Raises:
            BannetonError: No draft may change it, or it cannot be read.
        """
        if why := editable(name):
            raise DraftError(why)
        path = self.root.joinpath(*PurePosixPath(name).parts)
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise DraftError(f"{name}: is a link that leads out of the project")
        if not path.exists() and not path.is_symlink():
            return None
        if not path.is_file():
            raise DraftError(f"{name}: is no file")
        return read_bytes(path, name)

    def edits(self, draft: Draft) -> Edits:
        """What a draft changes, in bytes; files that it leaves as they are do not count.

        Lines that stay keep their ends, and new ones end as most of the file's do.

        Raises:
            BannetonError: It changes what no draft may, or is too large.
        """
        if len(draft) > MOST_FILES:
            raise DraftError(f"a draft may change {MOST_FILES} files; make several of it")
        made: dict[str, bytes | None] = {}
        for name, text in draft.items():
            before = self.content(name)
            after = None if text is None else _with_ends(before or b"", _encoded(name, text))
            if after is not None and len(after) > MAX_BYTES:
                raise DraftError(f"{name}: is larger than {MAX_BYTES:,} bytes")
            if after != before:
                made[name] = after
        return made

    def patched(self, patch: bytes) -> Edits:
        """What a patch changes.

        Raises:
            BannetonError: It does not fit the files as they are, or changes what it may not.
        """
        made = apply(patch, self.content, prefix=self.prefix)
        return {name: after for name, after in made.items() if after != self.content(name)}

    def draft_of(self, edits: Edits) -> Draft:
        """The same as somebody would have typed it.

        Raises:
            BannetonError: A file is no text.
        """
        return {
            name: None if after is None else _typed(decode_text(after, name))
            for name, after in edits.items()
        }

    def patch(self, edits: Edits) -> bytes:
        """The change as ``git apply`` takes it, from any folder of the repository."""
        before = {name: self.content(name) for name in edits}
        return patch_of(before, edits, prefix=self.prefix)

    @property
    def prefix(self) -> str:
        """The project's folder in its repository, with a slash at its end; empty without one."""
        try:
            return prefix_of(self.root)
        except RevisionError:
            return ""

    def loaded(self, edits: Edits) -> Loaded:
        """The project with the change, read and compiled.

        Raises:
            ContentError: Every problem of every file.
            BannetonError: The files could not be had.
        """
        with copied(self.root, edits) as folder:
            key = _digest(folder)
            if key not in self._loaded:
                made = self._load(folder)
                while len(self._loaded) >= _KEPT:
                    self._loaded.pop(next(iter(self._loaded)), None)
                self._loaded[key] = made
            return self._loaded[key]


@contextmanager
def copied(
    root: Path, edits: Edits, names: tuple[str, ...] = (*CONTENT_FOLDERS, DEPLOYMENT_FILE)
) -> Iterator[Path]:
    """A private folder with a project's files and the change, for as long as the block runs.

    Args:
        root: The project's folder, which is only read.
        edits: The change.
        names: Folders and files under the root.

    Raises:
        BannetonError: A file cannot be read.
    """
    with TemporaryDirectory(prefix="banneton-") as made:
        folder = Path(made).resolve()
        for name in names:
            for path in _files(root, name):
                _copy(path, root, folder)
        for name, content in edits.items():
            target = folder.joinpath(*PurePosixPath(name).parts)
            target.unlink(missing_ok=True)
            if content is not None:
                _write(target, content, name)
        yield folder


def _files(root: Path, name: str) -> list[Path]:
    path = root / name
    return visible_files(root, name) if path.is_dir() else [path] if path.exists() else []


def _copy(path: Path, root: Path, folder: Path) -> None:
    name = path.relative_to(root)
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    real = path.resolve()
    if not path.is_file() or not real.is_relative_to(root.resolve()):
        target.symlink_to(real)  # whoever reads it says what is wrong with it
        return
    try:
        target.write_bytes(path.read_bytes())
    except OSError as exc:
        why = exc.strerror or type(exc).__name__
        raise DraftError(f"{name.as_posix()}: cannot be read: {why}") from None


def _write(target: Path, content: bytes, name: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    except OSError as exc:  # such as a folder where the file would be
        why = exc.strerror or type(exc).__name__
        raise DraftError(f"{name}: cannot be there: {why}") from None


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _encoded(name: str, text: str) -> bytes:
    try:
        return _typed(text).encode()
    except UnicodeEncodeError:
        raise DraftError(f"{name}: holds half of a surrogate pair") from None


def _typed(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _with_ends(before: bytes, after: bytes) -> bytes:
    """The new text, in which lines that were there before end as they did."""
    old = lines_of(before)
    if b"\r" not in before:
        return after
    kept = [_typed(line.decode("utf-8", "surrogateescape")) for line in old]
    new = [line.decode() for line in lines_of(after)]
    most = before.count(b"\r\n") * 2 > before.count(b"\n")
    made: list[bytes] = []
    matcher = difflib.SequenceMatcher(None, kept, new, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            made += old[i1:i2]
            continue
        for line in new[j1:j2]:
            ended = most and line.endswith("\n")
            made.append((line[:-1] + "\r\n" if ended else line).encode())
    return b"".join(made)
