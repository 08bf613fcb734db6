"""What a change of files means, as a table: ``tests/cases/review/changes.yaml``."""

import shutil
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from app.catalog.yaml_source import read_document
from app.review.change import Effect
from app.review.compare import Review
from app.review.wording import about, place
from tests.review.projects import BASE, changed, review_of


class Row(BaseModel):
    """One change of the base project."""

    model_config = ConfigDict(extra="forbid")

    id: str
    edits: dict[str, list[tuple[str, str]] | str | None]
    says: list[str] = []
    prompts: list[str] = []


class Table(BaseModel):
    """All of them."""

    model_config = ConfigDict(extra="forbid")

    rows: list[Row]


_FILE = BASE.parent / "changes.yaml"
ROWS = Table.model_validate(read_document(_FILE, BASE.parent).plain()).rows


def said(review: Review) -> list[str]:
    """Every change as reports tell it, with its effect."""
    return [f"{each.change.effect}: {place(each)} {about(each)}" for each in review.changes]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_what_a_change_means(row: Row, tmp_path: Path) -> None:
    """A reviewer would be told something else than what the change does."""
    review = review_of(tmp_path, row.edits)
    assert said(review) == [" ".join(line.split()) for line in row.says]
    assert [
        f"{each.persona} in {', '.join(name or 'none' for name in each.scenarios)}"
        for each in review.prompts
    ] == row.prompts
    counts = {effect: sum(line.startswith(f"{effect}: ") for line in row.says) for effect in Effect}
    assert {effect: review.count(effect) for effect in Effect} == counts
    assert review.is_weaker == any(line.startswith("weaker") for line in row.says)


def test_what_a_child_stops_changing_is_told_where_it_is_written_now(tmp_path: Path) -> None:
    """A file from which an override went would be called the same: its parent says the rest."""
    base = tmp_path / "base"
    shutil.copytree(BASE, base)
    override = "extends: house\nrules:\n  - {id: slurs, on_unchecked: block}\n"
    changed(base, {"policies/kiosk.yaml": override})
    review = review_of(tmp_path, {"policies/kiosk.yaml": "extends: house\n"}, base=base)
    what = "where the detector cannot run, 'block' becomes 'escalate'"
    whom = "for minor, public, professional (policy kiosk)"
    assert said(review) == [f"weaker: policies/house.yaml:10 rule slurs: {what}, {whom}"]


def test_the_table_has_every_effect() -> None:
    """A column of the table would be empty, and nothing would show it."""
    told = {line.partition(":")[0] for row in ROWS for line in row.says}
    assert told == set(Effect)
    assert len({row.id for row in ROWS}) == len(ROWS)
