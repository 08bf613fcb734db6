"""What a change of files means, as a table: ``tests/cases/review/changes.yaml``."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from app.catalog.yaml_source import read_document
from app.review import report
from app.review.change import Effect
from app.review.compare import Review
from tests.review.projects import BASE, review_of


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
    """Every change as the terminal shows it, with its effect."""
    made = []
    effect = ""
    for line in report.text(review):
        if line.startswith("the prompt of"):
            break
        if line.startswith("  "):
            made.append(f"{effect}: {' '.join(line.split())}")
        elif line.endswith(":"):
            effect = {"Means the same": "cosmetic"}.get(line[:-1], line[:-1].lower())
    return made


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
    everything = json.loads(report.document(review))
    assert len(everything["changes"]) == len(row.says)


def test_the_table_has_every_effect() -> None:
    """A column of the table would be empty, and nothing would show it."""
    told = {line.partition(":")[0] for row in ROWS for line in row.says}
    assert told == set(Effect)
    assert len({row.id for row in ROWS}) == len(ROWS)
