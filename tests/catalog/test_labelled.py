"""Files of labelled texts: read whole, or refused with the line and no word of the text."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.labelled import LabelledText, read_labelled
from app.domain.errors import ContentError
from app.domain.policy import Stage


def written(folder: Path, *lines: object, name: str = "t.jsonl") -> Path:
    """A file of these lines; what is no text is written as JSON."""
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz"])
def test_texts_are_read_with_what_is_said_of_them(tmp_path: Path, name: str) -> None:
    """A text counts for the wrong detector, stage or side."""
    path = written(
        tmp_path,
        {"text": "a", "label": 1, "detector": "harm", "category": "c", "stage": "tool_result"},
        "",
        {"text": "b", "label": 0, "id": 7, "meta": {}},
        name=name,
    )
    assert read_labelled(path, name, is_harmful=None) == (
        LabelledText("a", is_harmful=True, detector="harm", category="c", stage=Stage.TOOL_RESULT),
        LabelledText("b", is_harmful=False),
    )
    assert all(each.is_harmful for each in read_labelled(path, name, is_harmful=True))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "t.jsonl:2:1: is no JSON"),
        ("[]", "t.jsonl:2:1: has no 'text'"),
        ({"text": 3}, "t.jsonl:2:1: has no 'text'"),
        ({"text": "secret"}, "t.jsonl:2:1: has no 'label'"),
        ({"text": "secret", "label": 2}, "t.jsonl:2:1: has no 'label'"),
        ({"text": "secret", "label": 0, "stage": "inptu"}, "t.jsonl:2:1: has a 'stage' that is"),
        ({"text": "secret", "label": 0, "category": 1}, "t.jsonl:2:1: 'detector', 'category'"),
    ],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, line: object, what: str) -> None:
    """A file is read in part, and a budget is kept on fewer texts than people think."""
    path = written(tmp_path, {"text": "x", "label": 0}, line)
    with pytest.raises(ContentError) as caught:
        read_labelled(path, "t.jsonl", is_harmful=None)
    assert str(caught.value).startswith(what)
    assert "secret" not in str(caught.value)


def test_no_file_no_texts_and_no_archive_are_problems(tmp_path: Path) -> None:
    """A budget without texts is always kept."""
    (tmp_path / "bad.jsonl.gz").write_bytes(b"\x1f\x8bnothing")
    for path, what in (
        (tmp_path / "none.jsonl", "is not there"),
        (written(tmp_path, "", name="empty.jsonl"), "holds no texts"),
        (tmp_path / "bad.jsonl.gz", "cannot be read"),
    ):
        with pytest.raises(ContentError, match=what):
            read_labelled(path, path.name, is_harmful=False)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=80), st.booleans())
def test_bytes_are_texts_or_a_problem(
    tmp_path_factory: pytest.TempPathFactory,
    content: bytes,
    packed: bool,  # noqa: FBT001
) -> None:
    """Somebody's file ends the command with a traceback."""
    path = tmp_path_factory.mktemp("fuzz") / ("f.jsonl.gz" if packed else "f.jsonl")
    path.write_bytes(content)
    try:
        texts = read_labelled(path, path.name, is_harmful=None)
    except ContentError:
        return
    assert texts
