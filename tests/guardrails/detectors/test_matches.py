"""The detectors whose findings are the matches of what authors list."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from app.domain.finding import Found
from app.guardrails.detectors import patterns, words
from app.guardrails.detectors.patterns import PatternsSettings
from app.guardrails.detectors.words import WordsSettings
from app.guardrails.kinds import KINDS
from app.guardrails.matches import MatchDetector
from app.guardrails.passage import Passage

_TABLES = Path(__file__).parents[2] / "cases" / "detectors"


def _rows() -> list[Any]:
    listed = []
    for name in ("patterns", "words"):
        table = yaml.load((_TABLES / f"{name}.yaml").read_text("utf-8"), yaml.CSafeLoader)
        listed += [
            pytest.param(name, row, id=f"{name}: {row['id']}")
            for row in (*table["caught"], *table["passed"])
        ]
    return listed


@pytest.mark.parametrize(("name", "row"), _rows())
def test_table(name: str, row: dict[str, Any]) -> None:
    """A listed word or pattern is missed, or found where it is not."""
    kind = KINDS[name]
    detector = kind.build(kind.settings.model_validate(row["settings"]))
    assert isinstance(detector, MatchDetector)
    text = row["text"]
    said = detector.inspect(Passage(text))
    found = said.findings if isinstance(said, Found) else ()
    marks = [text[each.start : each.end] for each in found]
    assert marks == row.get("marks", [])
    assert {(each.detector, each.score, each.spec) for each in found} <= {
        (name, 1.0, detector.spec)
    }


WORDS = WordsSettings(words=("Ab", "c d"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"words": ("c  d", "aB", "more")}, True),
        ({"words": ("Ab",)}, False),
        ({"ignore_case": False}, False),
        ({"whole_words": False}, True),
        ({"category": "other"}, True),
    ],
)
def test_which_words_are_as_strict(change: dict[str, Any], *, expected: bool) -> None:
    """A child policy's list is shorter than its parent's, and it loads."""
    assert words.KIND.is_as_strict(WORDS.model_copy(update=change), WORDS) is expected


def _listed(*listed: dict[str, Any]) -> PatternsSettings:
    return PatternsSettings.model_validate(
        {"patterns": [{"id": f"p{n}", **each} for n, each in enumerate(listed)]}
    )


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([{"regex": "a+", "max_match": 5}], True),
        ([{"regex": "b"}, {"regex": "a+", "max_match": 5}], True),
        ([{"regex": "a+", "max_match": 5, "ignore_case": True}], True),
        ([{"regex": "a+", "max_match": 4}], False),
        ([{"regex": "a+"}], False),
        ([{"regex": "a", "max_match": 5}], False),
    ],
)
def test_which_patterns_are_as_strict(listed: list[dict[str, Any]], *, expected: bool) -> None:
    """A child policy lacks a pattern of its parent, and it loads."""
    parent = _listed({"regex": "a+", "max_match": 5})
    assert patterns.KIND.is_as_strict(_listed(*listed), parent) is expected


def test_what_is_looked_for_has_its_own_spec() -> None:
    """A recorded trace answers for a list that was not looked for."""
    specs = [
        words.KIND.build(WORDS.model_copy(update=change)).spec
        for change in ({}, {"category": "x"}, {"ignore_case": False}, {"words": ("ab",)})
    ]
    assert len(set(specs)) == 4
    assert words.KIND.build(WORDS).spec == specs[0]
