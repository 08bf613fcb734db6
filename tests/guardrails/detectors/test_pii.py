"""Personal data is found as the cases say, and settings choose among findings."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from typing_extensions import override

from app.domain.errors import DetectorError
from app.domain.finding import CLEAN, FLOOR, Finding, Found, Unchecked
from app.guardrails.detectors import pii
from app.guardrails.passage import Layer, Passage
from app.guardrails.recognizers import checks
from app.guardrails.recognizers.entities import ENTITIES
from app.guardrails.recognizers.recognizer import Candidate
from app.guardrails.recognizers.scan import Scan

ROOT = Path(__file__).parents[3]
CASES: list[dict[str, Any]] = [
    row
    for file in sorted((ROOT / "tests/cases/detectors").glob("pii*.yaml"))
    for row in yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
]

DEFAULTS = pii.PiiSettings()
ENGLISH = "Mail ann@example.com, card 4111 1111 1111 1111."


def build(chosen: pii.PiiSettings = DEFAULTS) -> pii.PiiDetector:
    """A detector with these settings."""
    detector = pii.KIND.build(chosen)
    assert isinstance(detector, pii.PiiDetector)
    return detector


@pytest.fixture(scope="module")
def detector() -> pii.PiiDetector:
    """A detector with default settings."""
    return build()


def findings(detector: pii.PiiDetector, passage: Passage | str) -> tuple[Finding, ...]:
    """What is found in a passage."""
    detection = detector.inspect(Passage(passage) if isinstance(passage, str) else passage)
    return detection.findings if isinstance(detection, Found) else ()


@pytest.mark.parametrize("row", CASES, ids=lambda row: row["id"])
def test_case(detector: pii.PiiDetector, row: dict[str, Any]) -> None:
    """A text of the tables is judged otherwise than written there."""
    chosen = pii.PiiSettings(**row.get("settings", {}))
    text = row["text"]
    found = [
        [finding.category, text[finding.start : finding.end]]
        for finding in findings(detector, text)
        if pii.KIND.selects(chosen, finding)
    ]
    assert found == row.get("finds", [])


def test_each_kind_has_a_case_and_a_near_miss() -> None:
    """A kind of personal data would be promised and never tried."""
    found = {entity for row in CASES for entity, _ in row.get("finds", [])}
    missed = {row["near"] for row in CASES if "near" in row}
    assert found == set(ENTITIES)
    assert missed == set(ENTITIES)


def test_recognizers_and_names_agree() -> None:
    """A kind could be asked for that nothing looks for, or be found without a name."""
    assert {recognizer.entity for recognizer in Scan().recognizers} == set(ENTITIES)


def test_findings_hold_no_text_and_say_why(detector: pii.PiiDetector) -> None:
    """A record would keep what it must not, or would not tell why."""
    for finding in findings(detector, ENGLISH):
        assert finding.path == ""
        assert finding.explanation
        assert finding.revision == detector.revision
        assert "ann" not in repr(finding)
        assert "4111" not in repr(finding)


@given(st.text())
@settings(max_examples=300, deadline=None)
def test_any_text_is_judged(text: str) -> None:
    """A text, such as one with half a surrogate pair, would stop the detector."""
    found = findings(build(), text)
    assert list(found) == sorted(found, key=lambda finding: finding.start)
    assert all(FLOOR <= finding.score <= 1 for finding in found)
    assert all(0 <= finding.start < finding.end <= len(text) for finding in found)


def test_half_a_surrogate_pair_hides_nothing(detector: pii.PiiDetector) -> None:
    """A sign that UTF-8 cannot hold would move or hide findings."""
    (finding,) = findings(detector, "\ud83d ann@example.com")
    assert (finding.start, finding.end) == (2, 17)


class Layered(Passage):
    """A passage with a second reading."""

    def __init__(self, original: str, layer: Layer) -> None:
        super().__init__(original)
        self._layer = layer

    @property
    @override
    def layers(self) -> tuple[Layer, ...]:
        return (Layer("original", self.original), self._layer)


def test_other_layers_are_read_and_mapped_back(detector: pii.PiiDetector) -> None:
    """Personal data behind an encoding would pass, or be reported in the wrong place."""
    hidden = "ann@example.com and bob@example.com"
    payload = Layer("base64", hidden, [4] * len(hidden), [12] * len(hidden))
    found = findings(detector, Layered("see QUJDREVG ok", payload))
    assert [(finding.category, finding.start, finding.end) for finding in found] == [
        ("EMAIL_ADDRESS", 4, 12)
    ]


def test_the_same_finding_of_two_layers_counts_once(detector: pii.PiiDetector) -> None:
    """One address would be two findings because the text was read twice."""
    text = "ann@example.com"
    folded = Layer("folded", text, range(len(text)), range(1, len(text) + 1))
    assert len(findings(detector, Layered(text, folded))) == 1


def test_allowed_values_are_never_reported() -> None:
    """The company's own hotline would be masked."""
    detector = build(pii.PiiSettings(allow=("ann@example.com",)))
    found = findings(detector, "ann@example.com, bob@example.com")
    assert [(finding.start, finding.end) for finding in found] == [(17, 32)]
    assert detector.inspect(Passage("ann@example.com")) is CLEAN


def test_only_allowed_values_change_what_is_looked_for() -> None:
    """Rules that differ only in what they choose would not share one run."""
    plain = build()
    chosen = build(pii.PiiSettings(entities=("IBAN_CODE",), min_score=0.9))
    allowing = build(pii.PiiSettings(allow=("a", "b")))
    turned = build(pii.PiiSettings(allow=("b", "a")))
    assert plain.spec == chosen.spec == ""
    assert allowing.spec == turned.spec != ""


class FailingScan:
    """A pass that runs out of memory."""

    def candidates(self, text: str) -> list[Candidate]:
        """Give up on any text."""
        raise DetectorError("out of memory" if text else "")


def test_a_pass_that_failed_is_not_clean() -> None:
    """Text that nobody looked at would count as free of personal data."""
    detection = pii.PiiDetector(FailingScan(), ()).inspect(Passage(ENGLISH))
    assert detection == Unchecked("out of memory")


def finding(category: str = "EMAIL_ADDRESS", score: float = 0.5) -> Finding:
    """A finding of some kind."""
    return Finding("pii", category, score, "", 0, 1, "1")


def test_a_rule_is_about_its_kinds_from_its_score_on() -> None:
    """A rule would act on what it does not name, or not act on what it names."""
    chosen = pii.PiiSettings(entities=("EMAIL_ADDRESS",), min_score=0.5)
    assert pii.KIND.selects(chosen, finding())
    assert not pii.KIND.selects(chosen, finding(score=0.49))
    assert not pii.KIND.selects(chosen, finding("CN_ID"))


def test_links_and_dates_are_not_chosen_unless_asked_for() -> None:
    """Every date and link would be taken for personal data."""
    assert not pii.KIND.selects(pii.PiiSettings(), finding("URL"))
    assert not pii.KIND.selects(pii.PiiSettings(), finding("DATE_TIME"))
    assert pii.KIND.selects(pii.PiiSettings(entities=("URL",)), finding("URL"))


SETTINGS = st.builds(
    pii.PiiSettings,
    entities=st.sets(st.sampled_from(("EMAIL_ADDRESS", "CN_ID", "URL"))).map(tuple),
    min_score=st.sampled_from((0.1, 0.4, 0.9)),
    allow=st.sets(st.sampled_from(("ann@example.com", "bob@example.com"))).map(tuple),
)


@given(SETTINGS, SETTINGS)
@settings(max_examples=200, deadline=None)
def test_stricter_settings_choose_all_that_looser_ones_choose(
    strict: pii.PiiSettings, loose: pii.PiiSettings
) -> None:
    """A change that loses findings would count as no weaker."""
    text = "ann@example.com bob@example.com https://example.com/ 11010519491231002X"

    def chosen(of: pii.PiiSettings) -> set[tuple[int, str]]:
        found = findings(build(of), text)
        return {(one.start, one.category) for one in found if pii.KIND.selects(of, one)}

    if pii.KIND.is_as_strict(strict, loose):
        assert chosen(strict) >= chosen(loose)
    assert pii.KIND.is_as_strict(strict, strict)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"entities": ["EMAIL_ADRESS"]}, "did you mean 'EMAIL_ADDRESS'?"),
        ({"entities": ["phone_number"]}, "did you mean 'PHONE_NUMBER'?"),
        ({"entities": ["??"]}, "one of EMAIL_ADDRESS, PHONE_NUMBER"),
        ({"min_score": 0}, "greater than or equal to 0.1"),
        ({"entitys": []}, "Extra inputs are not permitted"),
    ],
)
def test_a_mistake_in_settings_is_an_error_with_a_remedy(
    written: dict[str, Any], message: str
) -> None:
    """A misspelt kind would silently never be found."""
    with pytest.raises(ValidationError, match=message.replace("?", r"\?")):
        pii.PiiSettings(**written)


ALPHABET = st.sampled_from(tuple(ENTITIES))
CANDIDATES = st.lists(
    st.builds(
        lambda entity, start, length, score: Candidate(entity, start, start + length, score, ""),
        ALPHABET,
        st.integers(0, 12),
        st.integers(1, 8),
        st.sampled_from((0.05, 0.1, 0.4, 0.5, 1.0)),
    ),
    max_size=8,
)


@given(CANDIDATES)
@settings(max_examples=500, deadline=None)
def test_overlaps_leave_the_best_on_each_span_and_uncover_nothing(
    candidates: list[Candidate],
) -> None:
    """One number would be of two kinds, or a part of it would be left in the open."""
    kept = pii.resolve(candidates)
    starts = [one.start for one in kept]
    assert len(set(starts)) == len(starts)
    known = [one for one in candidates if one.score >= FLOOR]
    assert (max(known, key=lambda one: one.score).score if known else 0) == max(
        (one.score for one in kept), default=0
    )
    for one in kept:
        assert not any(
            other.start < one.start and other.end >= one.end and other.score > one.score
            for other in kept
        )
    for one in known:
        assert any(other.start <= one.start < other.end for other in kept)


def run_python(code: str) -> list[str]:
    """What a fresh interpreter prints, as JSON."""
    done = subprocess.run(  # noqa: S603  # our own interpreter and code
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    printed: list[str] = json.loads(done.stdout)
    return printed


def test_nothing_reaches_for_the_network() -> None:
    """The first address in a text would fetch the public suffix list."""
    found = run_python(
        """
import json, socket
def refuse(*args, **kwargs):
    raise SystemExit("network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from app.guardrails.detectors import pii
from app.guardrails.passage import Passage
detector = pii.KIND.build(pii.PiiSettings())
found = detector.inspect(Passage("ann@mail.example.co.uk https://example.com/x 10.1.2.30"))
print(json.dumps([finding.category for finding in found.findings]))
"""
    )
    assert found == ["EMAIL_ADDRESS", "URL", "IP_ADDRESS"]


def test_presidio_is_loaded_only_when_a_detector_is_built() -> None:
    """Every start would pay two seconds and 100 MB."""
    loaded = run_python(
        """
import json, sys
from app.guardrails.detectors import pii
pii.KIND.is_as_strict(pii.PiiSettings(), pii.PiiSettings())
print(json.dumps([name for name in ("presidio_analyzer", "spacy") if name in sys.modules]))
"""
    )
    assert loaded == []


LONG_WORD = 7
"""Shorter ones stand in any log."""


def test_no_text_reaches_a_log(detector: pii.PiiDetector, caplog: pytest.LogCaptureFixture) -> None:
    """A log would hold the value that a recognizer could not check."""
    numbers = ("DE89 3704 0044 0532 0130 01", "GB29NWBK6016133192681")
    with caplog.at_level(logging.DEBUG):
        detector.inspect(Passage(f"{ENGLISH} IBAN {', '.join(numbers)}"))
    for word in {*numbers, *ENGLISH.split(), "3704"}:
        assert len(word) < LONG_WORD or word not in caplog.text


@given(st.integers(0, 10**15 - 1))
@settings(max_examples=100, deadline=None)
def test_luhn_takes_one_last_digit_of_ten(body: int) -> None:
    """A card with a wrong digit would pass, or a right one fail."""
    assert sum(checks.luhn(f"{body:015d}{last}") for last in range(10)) == 1


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (checks.cn_id, "11010519491231002X", "110105194912310021"),
        (checks.cn_id, "11010519491231002x", "11010519491331002X"),
        (checks.sg_nric, "S1234567D", "S1234567E"),
        (checks.sg_nric, "T1234567J", "T1234567D"),
        (checks.sg_nric, "F1234567N", "F1234567M"),
        (checks.sg_nric, "G1234567X", "G1234567N"),
        (checks.sg_nric, "M1234567K", "M1234567L"),
        (checks.fr_nir, "2 55 08 14 168 025 38", "255081416802539"),
        (checks.fr_nir, "1 85 05 2A 006 084 35", "185052A00608436"),
        (checks.br_cpf, "529.982.247-25", "529.982.247-52"),
        (checks.br_cpf, "52998224725", "11111111111"),
    ],
)
def test_check_digits(check: Callable[[str], bool | None], right: str, wrong: str) -> None:
    """A made-up number would count as checked, or a real one not."""
    assert check(right)
    assert not check(wrong)
