"""What authors list and describe themselves is found, and nothing near it: words and patterns."""

from typing import Any

import pytest

from app.domain.errors import DetectorError
from app.guardrails.detectors import patterns, words
from app.guardrails.matches import MatchDetector
from app.guardrails.passage import Passage
from tests.guardrails.detectors.tables import Row, findings, rows

KINDS: dict[str, Any] = {"words": words.KIND, "patterns": patterns.KIND}


def spans(name: str, row: Row) -> list[list[int]]:
    """Where the row's settings find something in its text."""
    kind = KINDS[name]
    detector = kind.build(kind.settings.model_validate(row["settings"]))
    assert isinstance(detector, MatchDetector)
    found = findings(detector.inspect(Passage(row["text"])))
    return [list(span) for span in sorted({(each.start, each.end) for each in found})]


@pytest.mark.parametrize("row", rows("words", "caught"))
def test_listed_words_are_found(row: Row) -> None:
    """A word that an author listed would pass, or the wrong part of a text be masked."""
    assert spans("words", row) == row["finds"]


@pytest.mark.parametrize("row", rows("words", "passed"))
def test_other_words_pass(row: Row) -> None:
    """Harmless words would be masked because a listed one stands inside them."""
    assert spans("words", row) == []


@pytest.mark.parametrize("row", rows("patterns", "caught"))
def test_what_a_pattern_describes_is_found(row: Row) -> None:
    """What an author described would pass, or be masked in part."""
    assert spans("patterns", row) == row["finds"]


@pytest.mark.parametrize("row", rows("patterns", "passed"))
def test_what_no_pattern_describes_passes(row: Row) -> None:
    """Text would be masked that no author described."""
    assert spans("patterns", row) == []


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("words", {"words": [" "]}),
        ("patterns", {"patterns": [{"id": "a", "regex": "("}]}),
        ("patterns", {"patterns": [{"id": "a", "regex": r"(a)\1"}]}),
        ("patterns", {"patterns": [{"id": "a", "regex": "a"}, {"id": "a", "regex": "b"}]}),
    ],
)
def test_what_cannot_run_is_refused_at_load(name: str, settings: dict[str, Any]) -> None:
    """A rule would load that silently finds nothing, or hangs on a text made for it."""
    kind = KINDS[name]
    with pytest.raises(DetectorError):
        kind.build(kind.settings.model_validate(settings))
