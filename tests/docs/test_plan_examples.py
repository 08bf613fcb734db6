"""The examples of plans are what ``banneton plan`` says now, of traffic that a gateway recorded."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from app.review.report.contents import page_of
from app.review.report.html import page_html
from app.review.report.markdown import markdown

FOLDER = Path(__file__).parent.parent.parent / "docs" / "examples" / "plan"
_COMMIT = re.compile(r"\b[0-9a-f]{12}\b")
"""The base's: it changes with every byte of the shipped content."""


def masked(text: str) -> str:
    """A report without the commit that it was made against."""
    return _COMMIT.sub("commit", text)


def test_the_examples_are_what_plan_says() -> None:
    """The README would show comments that nobody gets: run ``make plan-examples``."""
    spec = importlib.util.spec_from_file_location("make", FOLDER / "make.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    names = set()
    for example, plan in make.plans():
        page = page_of(plan)
        written = (FOLDER / f"{example.name}.md").read_text("utf-8")
        assert masked(markdown(page)) == masked(written), example.name
        if (whole := FOLDER / f"{example.name}.html").exists():
            assert masked(page_html(page)) == masked(whole.read_text("utf-8"))
        names.add(example.name)
    readme = FOLDER.parent.parent.parent / "README.md"
    assert make.with_example(readme.read_text("utf-8")) == readme.read_text("utf-8")
    assert {path.stem for path in FOLDER.glob("*.md")} - {"README"} == names


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("threshold-raised", ["something is weaker than before", "| block → flag | 7 "]),
        ("threshold-lowered", ["nothing is weaker", "| flag → block | 4 "]),
        (
            "prompt-edited",
            ["0 stay in providers' caches and 788", "| Behaviour adherence | 99.5 %"],
        ),
        ("reformatted", ["nothing changes in meaning", "No recorded decision flips"]),
    ],
)
def test_the_examples_show_what_they_are_for(name: str, says: list[str]) -> None:
    """An example could be made of edits that no longer do what its title says."""
    text = (FOLDER / f"{name}.md").read_text("utf-8")
    assert [each for each in says if each not in text] == []


def test_the_recorded_traffic_holds_no_text() -> None:
    """A file that is public would hold what somebody wrote to a gateway."""
    lines = (FOLDER / "traffic.txt").read_text("utf-8").splitlines()
    records = (FOLDER / "records.jsonl").read_text("utf-8")
    for line in lines:
        assert line.partition("\t")[2] not in records
    opened = [json.loads(each)["entry"] for each in records.splitlines() if '"opening"' in each]
    assert len(opened) == len(lines)
