"""Reads the tables under ``tests/cases/backends``."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.domain.events import StreamEvent, Token

TESTS = Path(__file__).parent.parent


def rows(name: str) -> list[Any]:
    """The rows of a table as parameters, named by their ids."""
    text = (TESTS / "cases" / "backends" / f"{name}.yaml").read_text(encoding="utf-8")
    table = yaml.load(text, Loader=yaml.CSafeLoader)
    return [pytest.param(row, id=row["id"]) for row in table]


def shown(event: StreamEvent) -> dict[str, dict[str, object]]:
    """An event as the tables write it: its type, and the fields that are not at their default."""
    return {type(event).__name__: _given(event)}


def _given(event: StreamEvent | Token) -> dict[str, object]:
    given: dict[str, Any] = {
        field.name: value
        for field in fields(event)
        if (value := getattr(event, field.name)) != field.default
    }
    if "tokens" in given:
        given["tokens"] = [_given(token) for token in given["tokens"]]
    return given
