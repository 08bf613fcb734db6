"""What settings select among findings: replaying a million records rests on its being simple."""

import sys
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.finding import Finding
from app.domain.persona import FileModel
from app.guardrails.kinds import KINDS

CHOOSING: dict[str, dict[str, Any]] = {
    "encoding": {"kinds": ["payload"], "min_score": 0.6},
    "grounding": {"min_score": 0.6},
    "harm": {"min_score": 0.6},
    "injection": {"min_score": 0.6},
    "judge": {"question": "Is it?", "min_score": 0.6},
    "language": {"allow": ["en"], "min_score": 0.6},
    "length": {"max_chars": 5},
    "links": {"min_score": 0.6},
    "llama_guard": {},
    "moderation": {"min_score": 0.6, "thresholds": {"violence": 0.3}},
    "names": {"min_score": 0.6},
    "patterns": {"patterns": [{"id": "a", "regex": "a"}]},
    "pii": {"entities": ["EMAIL_ADDRESS"], "min_score": 0.6},
    "prompt_guard": {"min_score": 0.6},
    "prompt_leak": {"min_score": 0.6},
    "readability": {"max_grade": 5},
    "repetition": {},
    "schema": {},
    "secrets": {"kinds": ["aws_access_key"], "min_score": 0.6},
    "tools": {"deny": ["a"]},
    "topics": {
        "deny": [{"id": "a", "examples": ["some words", "of these", "or those"]}],
        "min_score": 0.6,
    },
    "webhook": {"endpoint": "a", "min_score": 0.6},
    "words": {"words": ["a"]},
}


def test_every_kind_is_asked() -> None:
    """A new kind of detector would be replayed on a promise that nobody tried."""
    assert set(CHOOSING) == set(KINDS)


@pytest.mark.parametrize("name", sorted(KINDS))
@settings(deadline=None, max_examples=30)
@given(st.floats(0, 1), st.floats(0, 1), st.data())
def test_what_is_selected_at_a_score_is_at_every_higher_one(
    name: str, one: float, other: float, data: st.DataObject
) -> None:
    """Replaying many records finds another lowest score than each of them has."""
    kind, (chosen, categories, spec) = KINDS[name], _chosen(name)
    low, high = sorted((one, other))
    category, text = data.draw(st.sampled_from(categories)), data.draw(st.text(max_size=3))
    finding = Finding(name, category, low, "", 0, 0, "", spec=spec)
    is_selected = kind.selects(chosen, finding)
    elsewhere = replace(finding, path=text, start=3, end=9, revision=text, explanation=text)
    assert kind.selects(chosen, elsewhere) is is_selected
    if is_selected:
        assert kind.selects(chosen, replace(finding, score=high))


@cache
def _chosen(name: str) -> tuple[FileModel, list[str], str]:
    """Settings of a kind, what they may choose among, and the spec of its findings."""
    kind = KINDS[name]
    chosen = kind.settings.model_validate(CHOOSING[name])
    said = chosen.model_dump(mode="json")
    listed = [each for key in _LISTS for each in said.get(key) or ()]
    spec_of = getattr(sys.modules[kind.selects.__module__], "_spec", lambda _settings: "")
    return chosen, [*listed, "other"], spec_of(chosen)


_LISTS = ("kinds", "entities", "categories", "thresholds")
