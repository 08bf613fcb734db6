"""Text in another language than it may be in is found, where the language can be told."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from app.domain.errors import DetectorError
from app.guardrails.detectors.language import KIND, LanguageSettings
from app.guardrails.passage import Passage
from tests.guardrails.detectors.looking import check_caught, detect, look
from tests.guardrails.detectors.tables import Row, findings, rows


@pytest.mark.parametrize("row", rows("language", "passed"))
def test_a_language_that_may_be_passes(row: Row) -> None:
    """Good answers would be stopped, or what has no language taken for one."""
    assert look(KIND, row) == ()


@pytest.mark.parametrize("row", rows("language", "caught"))
def test_another_language_is_found(row: Row) -> None:
    """A persona would speak to its readers in a language that nobody has reviewed."""
    check_caught(KIND, row)


def test_another_language_at_the_end_of_a_long_text_is_found_there() -> None:
    """A text that begins as it should could go on in any language."""
    english = "I can explain the contract to you in plain words. " * 60
    german = "Gerne erkläre ich Ihnen den Vertrag in einfachen Worten. " * 12
    detector = KIND.build(LanguageSettings(allow=("en",)))
    found = findings(detect(detector, Passage(english + german)))
    assert found
    assert found[-1].end == len(english + german)
    assert found[0].start >= len(english) - 500
    assert findings(detect(detector, Passage(english))) == ()


def test_a_long_text_without_a_blank_is_read_to_its_end() -> None:
    """Chinese puts no blanks between words: a long text would keep the process for minutes."""
    detector = KIND.build(LanguageSettings(allow=("en",)))
    found = findings(detect(detector, Passage("我可以用简单的话给您解释合同" * 40_000)))
    assert {finding.category for finding in found} == {"not_allowed"}


def test_without_the_model_a_policy_does_not_load() -> None:
    """A policy would load whose rule can never look, or its author not know what to install."""
    code = (
        "import sys; sys.modules['py3langid'] = None\n"
        "from app.guardrails.detectors.language import KIND\n"
        "KIND.build(KIND.settings(allow=('en',)))"
    )
    ended = subprocess.run(  # noqa: S603  # our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    assert "DetectorError" in ended.stderr
    assert "pip install 'banneton[language]'" in ended.stderr


def test_a_language_that_cannot_be_told_does_not_load() -> None:
    """A typing error would stop every answer."""
    with pytest.raises(DetectorError, match="is no language that can be told") as caught:
        KIND.build(LanguageSettings(allow=("en", "qq")))
    assert caught.value.path == ("allow", 1)


@pytest.mark.parametrize("wrong", [{}, {"allow": ["English"]}, {"match": "user"}])
def test_settings_that_say_nothing_are_refused(wrong: dict[str, object]) -> None:
    """A rule would silently do nothing."""
    with pytest.raises(ValidationError):
        LanguageSettings.model_validate(wrong)


@pytest.mark.parametrize(
    ("settings", "other", "is_as_strict"),
    [
        ({"allow": ["en"]}, {"allow": ["en", "zh"]}, True),
        ({"allow": ["en", "zh"]}, {"allow": ["en"]}, False),
        ({"match": "question"}, {"allow": ["en"]}, False),
        ({"allow": ["en"], "match": "question"}, {"match": "question"}, True),
        ({"allow": ["en"]}, {"match": "question"}, False),
        ({"allow": ["en"], "min_score": 0.9}, {"allow": ["en"]}, False),
    ],
)
def test_settings_are_compared(
    settings: dict[str, object], other: dict[str, object], *, is_as_strict: bool
) -> None:
    """A longer list would pass review as no weaker."""
    ours, theirs = map(LanguageSettings.model_validate, (settings, other))
    assert KIND.is_as_strict(ours, theirs) is is_as_strict
