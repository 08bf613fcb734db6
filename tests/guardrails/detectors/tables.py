"""Reads the tables of cases under ``tests/cases/detectors/``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.domain.finding import Clean, Detection, Finding, Found, Unchecked

_TABLES = Path(__file__).parents[2] / "cases" / "detectors"

Row = Mapping[str, Any]


def rows(table: str, part: str) -> list[Any]:
    """The rows of one part of a table as parameters, named by their ids.

    A ``text`` that is a list is joined: so written, it holds no credential that looks real.
    """
    # The file is ours and holds one row an id, which the assertion below checks.
    content = yaml.load((_TABLES / f"{table}.yaml").read_text("utf-8"), Loader=yaml.SafeLoader)
    entries = content[part]
    assert len({entry["id"] for entry in entries}) == len(entries), f"{table}: ids repeat"
    return [
        pytest.param({**entry, "text": "".join(entry.get("text", ""))}, id=entry["id"])
        for entry in entries
    ]


def tables(detector: str) -> list[str]:
    """The tables of a detector: ``secrets``, ``secrets_files`` and so on."""
    return sorted(path.stem for path in _TABLES.glob(f"{detector}*.yaml"))


def findings(detection: Detection) -> tuple[Finding, ...]:
    """What was found; a text that was not checked fails the test."""
    assert not isinstance(detection, Unchecked)
    match detection:
        case Clean():
            return ()
        case Found(found):
            return found
