"""Texts longer than allowed are found, and nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.domain.finding import Finding
from app.guardrails.detectors.length import KIND, LengthDetector, LengthSettings
from app.guardrails.passage import Passage
from tests.guardrails.detectors.tables import Row, findings, rows


def inspect(row: Row) -> tuple[Finding, ...]:
    """The findings that a rule with the row's settings is about."""
    given_settings = LengthSettings.model_validate(row.get("settings", {}))
    detector = KIND.build(given_settings)
    assert isinstance(detector, LengthDetector)
    found = findings(detector.inspect(Passage(row["text"], is_json=row.get("is_json", False))))
    return tuple(finding for finding in found if KIND.selects(given_settings, finding))


@pytest.mark.parametrize("row", rows("length", "passed"))
def test_harmless_text_passes(row: Row) -> None:
    """Ordinary text would be masked or blocked."""
    assert inspect(row) == ()


@pytest.mark.parametrize("row", rows("length", "caught"))
def test_text_beyond_a_limit_is_found(row: Row) -> None:
    """A text that is too long would pass, or be cut at the wrong place."""
    found = inspect(row)
    assert [finding.category for finding in found] == row["finds"]
    assert found[0].start == row["begins"]
    assert all(finding.end == len(row["text"]) and finding.score == 1 for finding in found)


@given(st.text(max_size=200), st.integers(0, 60))
@settings(deadline=None, max_examples=60)
def test_what_stays_is_within_the_limit(text: str, limit: int) -> None:
    """Cutting a text where the finding begins would leave it too long, or cut for nothing."""
    for kind in ("max_chars", "max_words", "max_lines", "max_sentences"):
        row = {"text": text, "settings": {kind: limit}}
        for finding in inspect(row):
            assert inspect({**row, "text": text[: finding.start]}) == ()
            assert inspect({**row, "text": text[: finding.start + 1]}) != ()


def test_a_limit_is_needed() -> None:
    """A rule without a limit would silently do nothing."""
    with pytest.raises(ValidationError, match="at least one of max_chars"):
        LengthSettings()


def test_rules_with_other_limits_do_not_share_findings() -> None:
    """A rule would act on what exceeds another rule's limit."""
    (finding,) = inspect({"text": "abcdef", "settings": {"max_chars": 5}})
    assert not KIND.selects(LengthSettings(max_chars=50), finding)


@pytest.mark.parametrize(
    ("settings", "other", "is_as_strict"),
    [
        ({"max_chars": 5}, {"max_chars": 5}, True),
        ({"max_chars": 4}, {"max_chars": 5}, True),
        ({"max_chars": 6}, {"max_chars": 5}, False),
        ({"max_words": 5}, {"max_chars": 5}, False),
        ({"max_words": 5, "max_chars": 5}, {"max_chars": 5}, True),
        ({"max_lines": 2}, {"max_lines": 1}, False),
    ],
)
def test_settings_are_compared(
    settings: dict[str, int], other: dict[str, int], *, is_as_strict: bool
) -> None:
    """A higher limit would pass review as no weaker."""
    compared = KIND.is_as_strict(LengthSettings(**settings), LengthSettings(**other))
    assert compared is is_as_strict


def test_records_of_before_go_on_answering() -> None:
    """A recorded trace would not answer for a policy that has not changed."""
    plain = LengthSettings(max_chars=5)
    assert LengthDetector(plain).spec == "e6da8f6cb0f288c3"
    assert LengthDetector(LengthSettings(max_chars=5, min_words=1)).spec != "e6da8f6cb0f288c3"
