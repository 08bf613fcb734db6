"""A project's files as they were at another revision, without touching the working tree.

Git is asked for names and contents, and nothing is checked out: no hook runs, no filter changes a
file, and no index is written.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from app.domain.errors import BannetonError
from app.review.plan import Base

_TIMEOUT_S = 120
_MOST_NAMES = 200
_DIGEST = re.compile(r"[0-9a-f]{7,64}")
_LINK = b"120000"
_FILE = (b"100644", b"100755")


class RevisionError(BannetonError):
    """The files of a revision cannot be had."""


@dataclass(frozen=True, slots=True)
class _Blob:
    mode: bytes
    digest: bytes
    path: str


@contextmanager
def files_at(root: Path, revision: str, names: tuple[str, ...]) -> Iterator[Path]:
    """A folder with some of a project's files as they were, for as long as the block runs.

    Args:
        root: The project's folder, anywhere in the working tree.
        revision: A branch, tag or commit, as Git takes it.
        names: Folders and files under the root; those that were not there are left out.

    Raises:
        RevisionError: There is no Git, no repository or no such revision.
    """
    commit = _commit(root, revision)
    listed = _git(root, "ls-tree", "-r", "-z", commit, "--", *names)
    blobs = [_blob(line) for line in listed.split(b"\0") if line]
    contents = _contents(root, blobs)
    with TemporaryDirectory(prefix="banneton-") as folder:
        target = Path(folder).resolve()
        for blob, content in zip(blobs, contents, strict=True):
            _write(target, blob, content)
        yield target


def file_at(root: Path, revision: str, path: str) -> bytes | None:
    """A file of the repository as it was; none where it was not there, or was no file.

    Args:
        root: A folder of the working tree.
        revision: A branch, tag or commit, as Git takes it.
        path: From the top of the repository.

    Raises:
        RevisionError: There is no Git, no repository or no such revision.
    """
    commit = _commit(root, revision)
    listed = _git(root, "ls-tree", "-z", "--full-tree", commit, "--", path)
    blobs = [_blob(line) for line in listed.split(b"\0") if line]
    files = [blob for blob in blobs if blob.mode in _FILE]
    return next(_contents(root, files)) if files else None


def prefix_of(root: Path) -> str:
    """A project's folder in its repository, with a slash at its end; empty for all of it.

    Raises:
        RevisionError: There is no Git or no repository.
    """
    return _git(root, "rev-parse", "--show-prefix").decode().removesuffix("\n")


def base_of(root: Path, revision: str, head: str = "HEAD") -> Base:
    """What a change is compared with: when it was committed, and whether it has gone on since.

    Args:
        root: A folder of the working tree.
        revision: A branch, tag or commit, as Git takes it.
        head: The revision with the change, or on which it stands.

    Raises:
        RevisionError: There is no Git, no repository or no such revision.
    """
    commit = _commit(root, revision)
    committed = _git(root, "show", "--no-patch", "--format=%ct", commit)
    is_shallow = _git(root, "rev-parse", "--is-shallow-repository").strip() == b"true"
    # Of a history that was cut short nobody knows what is ahead of what.
    ahead = (
        b"0"
        if is_shallow
        else _git(root, "rev-list", "--count", f"{_commit(root, head)}..{commit}")
    )
    committed_at = datetime.fromtimestamp(int(committed), UTC)
    return Base(revision, commit, committed_at, int(ahead))


def named_revisions(root: Path) -> tuple[str, ...]:
    """Branches and tags, the newest first; none where there is no Git or no commit yet."""
    try:
        said = _git(
            root,
            "for-each-ref",
            "--sort=-committerdate",
            f"--count={_MOST_NAMES}",
            "--format=%(refname:lstrip=2)",
            "refs/heads",
            "refs/remotes",
            "refs/tags",
        )
    except RevisionError:
        return ()
    names = said.decode("utf-8", "replace").splitlines()
    return tuple(name for name in names if not name.endswith("/HEAD"))


def known_revision(root: Path, name: str) -> str:
    """A name that somebody sent, where it is one that Git listed, ``HEAD`` or a commit's digest.

    Raises:
        RevisionError: It is none of them.
    """
    if name == "HEAD" or name in named_revisions(root) or _DIGEST.fullmatch(name):
        _commit(root, name)
        return name
    raise RevisionError("there is no branch, tag or commit of this name here")


@dataclass(frozen=True, slots=True)
class Commit:
    """A revision, as people tell it from others."""

    name: str
    """Short, as Git abbreviates it."""
    at: datetime
    subject: str


def newest(root: Path, most: int) -> tuple[Commit, ...]:
    """The newest revisions that changed something under a project's folder, newest first.

    Raises:
        RevisionError: There is no Git, no repository or no revision.
    """
    listed = _git(root, "log", f"-{most}", "-z", "--format=%h %ct %s", "--", ".")
    found = []
    for line in listed.decode("utf-8", "replace").split("\0"):
        if line:
            name, at, subject = line.split(" ", 2)
            found.append(Commit(name, datetime.fromtimestamp(int(at), UTC), subject))
    return tuple(found)


def _commit(root: Path, revision: str) -> str:
    _git(root, "rev-parse", "--is-inside-work-tree")
    if revision.startswith("-"):  # an option of git's, not a revision
        raise RevisionError(f"'{revision}' is no revision; name a branch, a tag or a commit")
    try:
        found = _git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except RevisionError:
        raise RevisionError(
            f"there is no revision '{revision}' here; fetch it first "
            "(in CI: a checkout with its history, such as fetch-depth: 0)"
        ) from None
    return found.decode().strip()


def _git(root: Path, *arguments: str, given: bytes = b"") -> bytes:
    try:
        ended = subprocess.run(  # noqa: S603  # git itself, and no shell
            ["git", "-C", str(root), *arguments],  # noqa: S607  # whichever git there is
            input=given,
            capture_output=True,
            check=True,
            timeout=_TIMEOUT_S,
        )
    except FileNotFoundError:
        raise RevisionError(
            "git is not installed; install it, as plan reads the earlier files from it"
        ) from None
    except subprocess.TimeoutExpired:
        raise RevisionError(
            f"git did not answer within {_TIMEOUT_S} seconds; does another hold the repository?"
        ) from None
    except subprocess.CalledProcessError as exc:
        said = exc.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RevisionError(f"{root}: git says: {said[-1] if said else 'nothing'}") from None
    return ended.stdout


def _blob(line: bytes) -> _Blob:
    about, _, path = line.partition(b"\t")
    mode, _, digest = about.split(b" ")
    try:
        return _Blob(mode, digest, path.decode())
    except UnicodeDecodeError:
        raise RevisionError("a file's name is not UTF-8; rename it") from None


def _contents(root: Path, blobs: list[_Blob]) -> Iterator[bytes]:
    """What each blob holds, in order."""
    asked = b"".join(blob.digest + b"\n" for blob in blobs)
    answer = _git(root, "cat-file", "--batch", given=asked)
    at = 0
    for _ in blobs:
        end = answer.index(b"\n", at)
        _, kind, size = answer[at:end].split(b" ")
        content = answer[end + 1 : end + 1 + int(size)]
        if kind != b"blob":
            raise RevisionError(
                "a file is a submodule, which plan cannot read; put the files themselves there"
            )
        yield content
        at = end + 1 + int(size) + 1


def _write(target: Path, blob: _Blob, content: bytes) -> None:
    path = target.joinpath(*PurePosixPath(blob.path).parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    if blob.mode == _LINK:
        leads_to = (path.parent / content.decode()).resolve()
        if not leads_to.is_relative_to(target):
            raise RevisionError(
                f"{blob.path} is a link that leads out of the project; put the file itself there"
            )
        path.symlink_to(content.decode())
    elif blob.mode in _FILE:
        path.write_bytes(content)
    else:
        raise RevisionError(
            f"{blob.path} is a submodule, which plan cannot read; put the files themselves there"
        )
