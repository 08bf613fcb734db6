"""Texts that speak of what they should not are found, as far as examples tell."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from app.domain.errors import DetectorError
from app.guardrails.detectors.topics import KIND, TopicsSettings
from app.guardrails.passage import Passage
from app.guardrails.topic_space import Topic, others, space
from tests.guardrails.detectors.looking import check_caught, detect, look
from tests.guardrails.detectors.tables import Row, findings, rows

TOPIC = rows("topics", "caught")[0].values[0]["settings"]["deny"][0]


@pytest.mark.parametrize("row", rows("topics", "passed"))
def test_other_topics_pass(row: Row) -> None:
    """A persona would refuse what it is there for."""
    assert look(KIND, row) == ()


@pytest.mark.parametrize("row", rows("topics", "caught"))
def test_a_topic_is_found(row: Row) -> None:
    """A persona would speak of what its makers ruled out."""
    check_caught(KIND, row)


def test_the_place_is_told() -> None:
    """A mask would hide other parts of the text."""
    row = next(p.values[0] for p in rows("topics", "caught") if "long text" in p.values[0]["id"])
    (finding,) = look(KIND, row)
    assert "Should I sell my shares" in row["text"][finding.start : finding.end]
    assert finding.end - finding.start < len(row["text"])


@pytest.mark.parametrize("by", ["words", "meaning"])
def test_examples_are_of_their_topic_and_others_are_not(by: str) -> None:
    """Scores would not mean the same for every topic."""
    sentences = [*TOPIC["examples"], TOPIC["description"]]
    topic = Topic(space(by), sentences, others(by))
    assert np.median(topic.scores(space(by).vectors(sentences))) >= 0.9
    for each in others(by):
        scores = topic.scores(each)
        assert np.mean(scores >= 0.5) <= 0.03
        assert np.all((scores >= 0) & (scores <= 1))


def test_a_place_does_not_depend_on_what_else_is_asked() -> None:
    """The score of a text would change with its neighbours, or from process to process."""
    for by in ("words", "meaning"):
        alone = space(by).vectors(["Which shares should I buy?"])
        beside = space(by).vectors(["Something else", "Which shares should I buy?", ""])
        assert np.allclose(alone[0], beside[1], atol=1e-6)
        assert np.isclose(np.linalg.norm(alone[0]), 1, atol=1e-5)


def test_a_long_text_has_a_bound() -> None:
    """A long text would take ever longer."""
    detector = KIND.build(TopicsSettings.model_validate({"deny": [TOPIC]}))
    text = "The garden is in bloom and we read by the fire in the evening. " * 2000
    text += "Should I sell my shares and invest in bitcoin or in gold?"
    found = findings(detect(detector, Passage(text)))
    assert [finding.category for finding in found] == ["investing"]
    assert found[0].end == len(text)


def test_without_the_extra_a_policy_that_needs_it_does_not_load() -> None:
    """A policy would load whose rule can never look, or its author not know what to install."""
    code = (
        "import sys; sys.modules['wordllama'] = None\n"
        "from app.guardrails.detectors.topics import KIND\n"
        "deny = [{'id': 'a', 'examples': ['one thing', 'two things', 'three things']}]\n"
        "KIND.build(KIND.settings(deny=deny))\n"
        "print('words load')\n"
        "KIND.build(KIND.settings(deny=deny, by='meaning'))"
    )
    ended = subprocess.run(  # noqa: S603  # our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.stdout == "words load\n"
    assert ended.returncode == 1
    assert "pip install 'banneton[topics]'" in ended.stderr


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({}, "give deny or allow"),
        ({"deny": [{"id": "a", "examples": ["one", "two"]}]}, "at least three different examples"),
        ({"deny": [{"id": "a", "examples": ["one", "one", " one", "two"]}]}, "at least three"),
        ({"deny": [{"id": "off_topic", "examples": ["1", "2", "3"]}]}, "beside the allowed"),
        ({"deny": [{"id": "A b", "examples": ["1", "2", "3"]}]}, "id"),
    ],
)
def test_topics_that_cannot_be_told_are_refused(wrong: dict[str, Any], what: str) -> None:
    """A rule would silently find nothing."""
    with pytest.raises(ValidationError, match=what):
        TopicsSettings.model_validate(wrong)


def test_an_id_is_given_once() -> None:
    """One topic would silently take the place of another."""
    with pytest.raises(DetectorError, match="is given twice") as caught:
        KIND.build(TopicsSettings.model_validate({"deny": [TOPIC, TOPIC]}))
    assert caught.value.path == ("deny", 1, "id")


OTHER = {"id": "betting", "examples": ["bet on it", "odds of the match", "place a bet"]}


@pytest.mark.parametrize(
    ("settings", "other", "is_as_strict"),
    [
        ({"deny": [TOPIC, OTHER]}, {"deny": [TOPIC]}, True),
        ({"deny": [TOPIC]}, {"deny": [TOPIC, OTHER]}, False),
        ({"allow": [TOPIC]}, {"allow": [TOPIC, OTHER]}, True),
        ({"allow": [TOPIC, OTHER]}, {"allow": [TOPIC]}, False),
        ({"deny": [TOPIC]}, {"allow": [TOPIC]}, False),
        ({"deny": [TOPIC], "by": "meaning"}, {"deny": [TOPIC]}, False),
        ({"deny": [TOPIC], "min_score": 0.7}, {"deny": [TOPIC]}, False),
    ],
)
def test_settings_are_compared(
    settings: dict[str, Any], other: dict[str, Any], *, is_as_strict: bool
) -> None:
    """Fewer topics would pass review as no weaker."""
    ours, theirs = map(TopicsSettings.model_validate, (settings, other))
    assert KIND.is_as_strict(ours, theirs) is is_as_strict
