"""Credentials are found by their issuer's form or by the name they are assigned to."""

import tomllib
import zlib
from pathlib import Path

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.domain.finding import Finding
from app.guardrails.certainty import has_checksum
from app.guardrails.detector import LocalDetector
from app.guardrails.detectors import secrets
from app.guardrails.detectors.secrets import KIND, SecretsSettings
from app.guardrails.passage import Passage
from tests.guardrails.detectors.tables import Row, findings, rows, tables

DETECTOR = KIND.build(SecretsSettings())
assert not hasattr(DETECTOR, "inspect_remotely")


CAUGHT = [row for table in tables("secrets") for row in rows(table, "caught")]
PASSED = [row for table in tables("secrets") for row in rows(table, "passed")]


def inspect(text: str, *, is_json: bool = False) -> tuple[Finding, ...]:
    """All findings that the default settings are about."""
    assert isinstance(DETECTOR, secrets.SecretsDetector)
    found = findings(DETECTOR.inspect(Passage(text, is_json=is_json)))
    return tuple(finding for finding in found if KIND.selects(SecretsSettings(), finding))


@pytest.mark.parametrize("row", CAUGHT)
def test_a_credential_is_found(row: Row) -> None:
    """A credential would leave, or reach a model."""
    text = row["text"]
    found = inspect(text, is_json=row.get("is_json", False))
    assert [finding.category for finding in found] == row["finds"]
    if "marks" in row:
        assert text[found[0].start : found[0].end] == row["marks"]
    if "leaves" in row:
        assert text[found[-1].end :] == row["leaves"]


@pytest.mark.parametrize("row", PASSED)
def test_what_is_no_credential_passes(row: Row) -> None:
    """Harmless text would be masked or blocked."""
    assert inspect(row["text"]) == ()


def test_every_form_has_a_case() -> None:
    """A pattern nobody ever saw match could be dead."""
    table = Path(secrets.__file__).with_name("secrets.toml").read_text("utf-8")
    forms = {entry["what"] for entry in tomllib.loads(table)["credentials"]}
    seen = {
        finding.explanation
        for param in CAUGHT
        for finding in inspect(param.values[0]["text"], is_json=True)
    }
    assert forms <= seen


@given(
    st.lists(
        st.one_of(
            st.sampled_from([param.values[0]["text"] for param in CAUGHT]),
            st.text(max_size=20),
        ),
        max_size=4,
    )
)
@settings(deadline=None, max_examples=60)
def test_every_finding_lies_in_a_match_of_a_shape(pieces: list[str]) -> None:
    """In a stream, text that is part of a credential would not be held back."""
    passage = Passage(" ".join(pieces), is_whole=False)
    assert isinstance(DETECTOR, secrets.SecretsDetector)
    options = re2.Options()
    options.longest_match = True
    held = [
        layer.span(*match.span())
        for layer in passage.layers
        for shape in DETECTOR.shapes or ()
        for match in re2.compile(shape, options).finditer(layer.text)
    ]
    found = findings(DETECTOR.inspect(passage))
    assert [finding.start for finding in found] == sorted(finding.start for finding in found)
    for finding in found:
        assert any(start <= finding.start and finding.end <= end for start, end in held)


@given(st.text(max_size=40), st.text(max_size=40))
@settings(deadline=None)
def test_any_text_around_a_credential_is_inspected(before: str, after: str) -> None:
    """Odd characters, such as halves of surrogate pairs, would stop the request with an error."""
    token = "sk_live_" + "32XsqwUZk1Zgpz8kgvZZ"
    found = inspect(f"{before} {token} {after}")
    assert any(finding.category == "stripe_key" for finding in found)


@given(st.text(alphabet="abcXYZ019", min_size=30, max_size=30))
def test_a_token_with_a_checksum_is_told_from_one_without(body: str) -> None:
    """A wrong checksum would raise the score of made-up tokens, or a right one would not."""
    value = zlib.crc32(body.encode())
    digits = ""
    for _ in range(6):
        value, digit = divmod(value, 62)
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[digit] + digits
    wrong = ("A" if digits[0] != "A" else "B") + digits[1:]
    assert has_checksum(f"ghp_{body}{digits}")
    assert not has_checksum(f"ghp_{body}{wrong}")


def test_the_documented_example_of_a_checksum_holds() -> None:
    """The checksum would be another one than the issuer's."""
    assert has_checksum("ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17")


def test_scores_follow_certainty() -> None:
    """A rule that blocks only what is certain would block guesses."""
    (certain,) = inspect("ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17")
    (likely,) = inspect("ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18")
    (guess,) = inspect("password is Blue42sky")
    assert certain.score > likely.score > guess.score


def test_nothing_of_the_value_is_in_a_finding() -> None:
    """A record would keep the credential."""
    (finding,) = inspect("postgres://app:" + "Xk29fLq7@db/shop")
    assert "Xk29" not in repr(finding)


def test_settings_choose_among_findings() -> None:
    """A rule would act on kinds that it does not name, or not on those that it names."""
    only_keys = SecretsSettings(kinds=("private_key",), min_score=0.9)
    (finding,) = inspect("sk_live_" + "32XsqwUZk1Zgpz8kgvZZ")
    assert not KIND.selects(only_keys, finding)
    assert KIND.selects(SecretsSettings(kinds=("stripe_key",)), finding)
    assert not KIND.selects(SecretsSettings(min_score=0.99), finding)


def test_an_unknown_kind_is_refused_by_name() -> None:
    """A mistyped kind would silently find nothing."""
    with pytest.raises(ValidationError, match=r"no such kind; there are .*stripe_key"):
        SecretsSettings(kinds=("stripe-key",))


@pytest.mark.parametrize(
    ("settings", "other", "is_as_strict"),
    [
        (SecretsSettings(), SecretsSettings(), True),
        (SecretsSettings(), SecretsSettings(kinds=("jwt",)), True),
        (SecretsSettings(kinds=("jwt",)), SecretsSettings(), False),
        (SecretsSettings(kinds=("jwt", "private_key")), SecretsSettings(kinds=("jwt",)), True),
        (SecretsSettings(kinds=("private_key",)), SecretsSettings(kinds=("jwt",)), False),
        (SecretsSettings(min_score=0.4), SecretsSettings(min_score=0.5), True),
        (SecretsSettings(min_score=0.6), SecretsSettings(min_score=0.5), False),
    ],
)
def test_settings_are_compared(
    settings: SecretsSettings, other: SecretsSettings, *, is_as_strict: bool
) -> None:
    """A change that finds less would pass review as no weaker."""
    assert KIND.is_as_strict(settings, other) is is_as_strict


def test_the_detector_is_what_the_engine_expects() -> None:
    """The engine could not run it."""
    assert isinstance(DETECTOR, secrets.SecretsDetector)
    local: LocalDetector = DETECTOR
    assert local.shapes
    for shape in local.shapes:
        assert re2.compile(shape).search("") is None
