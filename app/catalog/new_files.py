"""Writes files that are not there yet: all of them, or none."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.catalog.document import file_problem
from app.domain.errors import ContentError

_THERE = "is there already, so nothing was written; move it away, or choose another name"


def refuse_existing(root: Path, files: Sequence[str]) -> None:
    """Raise where one of them is there.

    Raises:
        ContentError: Names every one that is there, and every one that has a file for a folder.
    """
    problems = [
        file_problem(file, _THERE)
        for file in files
        if (root / file).exists() or (root / file).is_symlink()
    ]
    folders = {each for file in files for each in Path(file).parents}
    problems += [
        file_problem(folder.as_posix(), "is a file, and a folder is needed there")
        for folder in sorted(folders)
        if (root / folder).exists() and not (root / folder).is_dir()
    ]
    if problems:
        raise ContentError(problems)


@contextmanager
def new_files(root: Path, files: Mapping[str, str]) -> Iterator[None]:
    """Write files, and take all of them away again where what follows fails.

    Args:
        root: The folder; made where there is none.
        files: Texts by path below the root, written in this order.

    Raises:
        ContentError: One of them is there already. Nothing was written.
    """
    refuse_existing(root, list(files))
    made: list[Path] = []
    try:
        for file, text in files.items():
            path = root / file
            _make_folder(path.parent, made)
            with path.open("x", encoding="utf-8", newline="") as opened:
                made.append(path)
                opened.write(text)
        yield
    except BaseException:
        for path in reversed(made):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
        raise


def _make_folder(folder: Path, made: list[Path]) -> None:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir()
        made.append(each)
