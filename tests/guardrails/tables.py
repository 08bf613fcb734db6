"""Read tables of cases."""

from pathlib import Path
from typing import Any

import pytest
import yaml

_CASES = Path(__file__).parents[1] / "cases" / "guardrails"


def rows(name: str) -> list[Any]:
    """The rows of a table, each a parameter under its id."""
    listed = yaml.load((_CASES / f"{name}.yaml").read_text("utf-8"), yaml.CSafeLoader)
    return [pytest.param(row, id=row.pop("id")) for row in listed]
