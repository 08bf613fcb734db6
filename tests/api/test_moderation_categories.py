"""Which of OpenAI's categories ours are: decided for each, and for none that is not there."""

import re
from pathlib import Path
from typing import get_args

import pytest
from openai.types.moderation import Categories

from app.api.openai_moderation_categories import CATEGORIES, MEANT, looked_for, meant_by
from app.guardrails.detectors import harm, llama_guard
from app.guardrails.kinds import KINDS

PAGE = Path(__file__).parents[2] / "docs/how-to/moderations.md"


def test_they_are_the_vendors() -> None:
    """A client reads a category that is not there, or a new one is never filled."""
    assert set(CATEGORIES) == {one.alias or name for name, one in Categories.model_fields.items()}


@pytest.mark.parametrize(
    ("detector", "categories"),
    [
        ("harm", get_args(harm.Category)),
        ("llama_guard", get_args(llama_guard.Hazard)),
        ("moderation", CATEGORIES),
    ],
)
def test_every_hazard_is_decided(detector: str, categories: tuple[str, ...]) -> None:
    """A hazard that is added to a detector scores nothing, and nobody has decided that."""
    assert set(MEANT[detector]) == set(categories)
    for names in MEANT[detector].values():
        assert set(names) <= set(CATEGORIES)


def test_the_page_says_what_the_table_does() -> None:
    """A reader is told another category than the one that clients get."""
    rows = re.findall(r"^\| (`.+?) \| (.+?) \| .+\|$", PAGE.read_text("utf-8"), re.MULTILINE)
    listed = [
        (re.findall(r"`(\w+)`", ours), re.findall(r"`(.+?)`", theirs)) for ours, theirs in rows
    ]
    told = {ours[0]: tuple(theirs) for ours, theirs in listed if ours and ours[0] in MEANT["harm"]}
    guard = {
        ours[-1]: tuple(theirs)
        for ours, theirs in listed
        if ours and ours[-1] in MEANT["llama_guard"]
    }
    assert (told, guard) == (MEANT["harm"], MEANT["llama_guard"])


def test_detectors_are_named_as_they_are() -> None:
    """A detector gets another name, and its categories go nowhere."""
    assert set(MEANT) <= set(KINDS)


def test_what_is_part_of_another_category_counts_there_too() -> None:
    """A weapon is no wrongdoing, or sexual content about a child no sexual content."""
    for meant in MEANT["harm"], MEANT["llama_guard"]:
        for names in meant.values():
            assert "illicit" in names or "illicit/violent" not in names
            assert "sexual" in names or "sexual/minors" not in names


def test_other_detectors_may_speak_in_these_categories() -> None:
    """A webhook that says ``violence`` is not heard, or a pattern of that name is looked for."""
    assert meant_by("webhook", "violence") == ("violence",)
    assert meant_by("webhook", "weapons") == ()
    assert looked_for(["webhook", "pii"]) == set()
    assert looked_for(["moderation", "pii"]) == set(CATEGORIES)
