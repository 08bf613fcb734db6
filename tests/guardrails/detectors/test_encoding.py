"""Hidden, disguised and encoded text is found."""

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.domain.finding import Finding
from app.guardrails.detectors.encoding import KIND, EncodingDetector, EncodingSettings
from app.guardrails.passage import Passage
from tests.guardrails.detectors.tables import Row, findings, rows


def inspect(row: Row) -> tuple[Finding, ...]:
    """The findings that a rule with the row's settings is about."""
    given_settings = EncodingSettings.model_validate(row.get("settings", {}))
    detector = KIND.build(given_settings)
    assert isinstance(detector, EncodingDetector)
    found = findings(detector.inspect(Passage(row["text"], is_json=row.get("is_json", False))))
    return tuple(finding for finding in found if KIND.selects(given_settings, finding))


@pytest.mark.parametrize("row", rows("encoding", "passed"))
def test_harmless_text_passes(row: Row) -> None:
    """Ordinary text would be masked or blocked."""
    assert inspect(row) == ()


@pytest.mark.parametrize("row", rows("encoding", "caught"))
def test_a_trick_is_found(row: Row) -> None:
    """Text that a person does not see would reach a model, or a model would hide it from one."""
    found = inspect(row)
    assert [finding.category for finding in found] == row["finds"]
    if "marks" in row:
        assert row["text"][found[0].start : found[0].end] == row["marks"]


PIECES = [
    param.values[0]["text"] for part in ("caught", "passed") for param in rows("encoding", part)
]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=20)), max_size=4))
@settings(deadline=None, max_examples=60)
def test_every_finding_lies_in_a_match_of_a_shape(pieces: list[str]) -> None:
    """In a stream, text that is part of a finding would not be held back."""
    passage = Passage(" ".join(pieces), is_whole=False)
    detector = KIND.build(EncodingSettings())
    assert isinstance(detector, EncodingDetector)
    options = re2.Options()
    options.longest_match = True
    held = [
        layer.span(*match.span())
        for layer in passage.layers
        for shape in detector.shapes or ()
        for match in re2.compile(shape, options).finditer(layer.text)
    ]
    found = findings(detector.inspect(passage))
    assert list(found) == sorted(found, key=lambda finding: finding.start)
    for finding in found:
        assert any(start <= finding.start and finding.end <= end for start, end in held)


def test_an_unknown_kind_is_refused() -> None:
    """A mistyped kind would silently find nothing."""
    with pytest.raises(ValidationError, match="kinds"):
        EncodingSettings.model_validate({"kinds": ["bogus"]})


@pytest.mark.parametrize(
    ("settings", "other", "is_as_strict"),
    [
        ({}, {}, True),
        ({}, {"kinds": ["tags"]}, True),
        ({"kinds": ["tags"]}, {}, False),
        ({"kinds": ["tags", "bidi"]}, {"kinds": ["bidi"]}, True),
        ({"min_score": 0.6}, {"min_score": 0.5}, False),
        ({"min_score": 0.4}, {"min_score": 0.5}, True),
    ],
)
def test_settings_are_compared(
    settings: dict[str, object], other: dict[str, object], *, is_as_strict: bool
) -> None:
    """A change that finds less would pass review as no weaker."""
    validate = EncodingSettings.model_validate
    assert KIND.is_as_strict(validate(settings), validate(other)) is is_as_strict
