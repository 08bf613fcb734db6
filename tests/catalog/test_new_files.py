"""New files come all or none, and nothing that is there is written over."""

from pathlib import Path

import pytest

from app.catalog.new_files import new_files
from app.domain.errors import ContentError

FILES = {"a/b/c.yaml": "one: 1\n", "d.txt": "zwei\r\n"}


def test_all_are_written_as_they_are(tmp_path: Path) -> None:
    """A file would be missing, or its line ends be changed."""
    with new_files(tmp_path / "new", FILES):
        pass
    found = {name: (tmp_path / "new" / name).read_bytes().decode() for name in FILES}
    assert found == FILES


def test_a_file_that_is_there_stops_all(tmp_path: Path) -> None:
    """Somebody's work would be written over, or half of the files would stay."""
    (tmp_path / "d.txt").write_text("mine")
    (tmp_path / "a").write_text("a file where a folder is needed")
    with pytest.raises(ContentError) as caught, new_files(tmp_path, FILES):
        pass
    assert [problem.file for problem in caught.value.problems] == ["a", "d.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "d.txt"]
    assert (tmp_path / "d.txt").read_text() == "mine"
    (tmp_path / "a").unlink()
    (tmp_path / "a").mkdir()
    (tmp_path / "d.txt").unlink()
    (tmp_path / "d.txt").symlink_to("nowhere")
    with pytest.raises(ContentError, match=r"d\.txt"), new_files(tmp_path, FILES):
        pass
    assert list((tmp_path / "a").iterdir()) == []


def test_what_fails_afterwards_takes_all_away_again(tmp_path: Path) -> None:
    """A project that does not pass its checks would stay behind."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine").write_text("kept")
    with pytest.raises(RuntimeError, match="not right"), new_files(tmp_path, FILES):
        raise RuntimeError("not right" if (tmp_path / "a/b/c.yaml").is_file() else "not there")
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "mine"]
    with pytest.raises(RuntimeError, match="not right"), new_files(tmp_path / "new", FILES):
        raise RuntimeError("not right")
    assert not (tmp_path / "new").exists()
