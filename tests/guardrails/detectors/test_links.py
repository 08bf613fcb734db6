"""Addresses that trick people or carry data away are found."""

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.domain.finding import Finding
from app.guardrails.detectors.links import KIND, LinksDetector, LinksSettings
from app.guardrails.passage import Passage
from tests.guardrails.detectors.tables import Row, findings, rows


def inspect(row: Row) -> tuple[Finding, ...]:
    """The findings that a rule with the row's settings is about."""
    given_settings = LinksSettings.model_validate(row.get("settings", {}))
    detector = KIND.build(given_settings)
    assert isinstance(detector, LinksDetector)
    found = findings(detector.inspect(Passage(row["text"], is_json=row.get("is_json", False))))
    return tuple(finding for finding in found if KIND.selects(given_settings, finding))


@pytest.mark.parametrize("row", rows("links", "passed"))
def test_harmless_text_passes(row: Row) -> None:
    """Ordinary text would be masked or blocked."""
    assert inspect(row) == ()


@pytest.mark.parametrize("row", rows("links", "caught"))
def test_a_trick_is_found(row: Row) -> None:
    """An answer would lead somewhere it should not, or carry data away."""
    found = inspect(row)
    assert [finding.category for finding in found] == row["finds"]
    if "marks" in row:
        assert row["text"][found[0].start : found[0].end] == row["marks"]


PIECES = [param.values[0]["text"] for part in ("caught", "passed") for param in rows("links", part)]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=20)), max_size=4))
@settings(deadline=None, max_examples=60)
def test_every_finding_lies_in_a_match_of_a_shape(pieces: list[str]) -> None:
    """In a stream, text that is part of a finding would not be held back."""
    passage = Passage(" ".join(pieces), is_whole=False)
    detector = KIND.build(LinksSettings())
    assert isinstance(detector, LinksDetector)
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
        LinksSettings.model_validate({"kinds": ["bogus"]})


@pytest.mark.parametrize("entry", ["https://example.com", "example.com/a", "*.example.com", ""])
def test_an_entry_that_is_no_host_is_refused(entry: str) -> None:
    """An entry that matches nothing would refuse the host it means."""
    with pytest.raises(ValidationError, match=r"write a host such as example\.com"):
        LinksSettings(allow=(entry,))


def test_rules_with_other_lists_do_not_share_findings() -> None:
    """A rule would refuse what only another rule's list leaves out."""
    text = "https://other.test/"
    assert inspect({"text": text, "settings": {"allow": ["example.com"]}})
    (finding,) = inspect({"text": text, "settings": {"allow": ["example.com"]}})
    assert not KIND.selects(LinksSettings(allow=("other.test",)), finding)
    assert not KIND.selects(LinksSettings(), finding)


@pytest.mark.parametrize(
    ("settings", "other", "is_as_strict"),
    [
        ({}, {}, True),
        ({"allow": ["a.test"]}, {}, True),
        ({}, {"allow": ["a.test"]}, False),
        ({"allow": ["a.test"]}, {"allow": ["a.test", "b.test"]}, True),
        ({"allow": ["a.test", "b.test"]}, {"allow": ["a.test"]}, False),
        ({"allow": ["docs.a.test"]}, {"allow": ["a.test"]}, True),
        ({"allow": ["a.test"]}, {"allow": ["docs.a.test"]}, False),
        ({"kinds": ["host"]}, {}, False),
        ({"kinds": ["host", "image"], "allow": ["a.test"]}, {"kinds": ["image"]}, True),
        ({"min_score": 0.9}, {}, False),
    ],
)
def test_settings_are_compared(
    settings: dict[str, object], other: dict[str, object], *, is_as_strict: bool
) -> None:
    """A wider list would pass review as no weaker."""
    validate = LinksSettings.model_validate
    assert KIND.is_as_strict(validate(settings), validate(other)) is is_as_strict
