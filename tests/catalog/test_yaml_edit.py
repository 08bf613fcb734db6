"""Values in YAML are changed in their place, and everything else stays as people wrote it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.yaml_edit import reworded, with_values, without_items
from app.catalog.yaml_source import parse_document
from app.domain.conversation import Json
from app.domain.errors import ContentError

FILE = """\
# Who speaks.
name: Robin   # the one with the hat
identity:
  role: agent of Robin's bank
voice: {formality: neutral, tone: [calm, Robin-like]}
notes: >-
  Robin speaks
  calmly.
keep: |
  Robin:
    twice

list:
  # first
  - {id: a, says: 'Robin''s'}
  # second
  - id: b
    says: "Robin\\n"
  - id: c
last: 1.0
"""
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)


def plain(text: str) -> Json:
    """What it says."""
    return parse_document(text.encode(), "x").plain()


@given(TEXTS, TEXTS, TEXTS)
@settings(deadline=None, max_examples=40)
def test_values_are_changed_and_added(name: str, readers: str, language: str) -> None:
    """A value would be read otherwise than it was given, or a comment be lost."""
    values = {("name",): name, ("identity", "readers"): readers, ("voice", "language"): language}
    values |= {("new", "inner"): name, ("notes",): readers}
    text = with_values(FILE, "x", values)
    said = plain(text)
    before = plain(FILE)
    assert isinstance(said, dict)
    assert isinstance(before, dict)
    assert said["name"] == name
    assert said["identity"] == {"role": "agent of Robin's bank", "readers": readers}
    assert said["voice"] == {
        "formality": "neutral",
        "tone": ["calm", "Robin-like"],
        "language": language,
    }
    assert (said["new"], said["notes"]) == ({"inner": name}, readers)
    assert {key: said[key] for key in ("keep", "list", "last")} == {
        key: before[key] for key in ("keep", "list", "last")
    }
    assert re.findall("#.*", text)[-2:] == ["# first", "# second"]


@given(TEXTS)
@settings(deadline=None, max_examples=50)
def test_a_word_is_replaced_wherever_it_stands(word: str) -> None:
    """A new name would break the file, or stand in half of the places."""

    def reword(text: str) -> str:
        return text.replace("Robin", word)

    text = reworded(FILE, "x", reword)
    said = plain(text)
    assert isinstance(said, dict)
    assert said["name"] == word
    assert said["notes"] == f"{word} speaks calmly."
    assert said["keep"] == f"{word}:\n  twice\n"
    assert said["list"] == [
        {"id": "a", "says": f"{word}'s"},
        {"id": "b", "says": f"{word}\n"},
        {"id": "c"},
    ]
    assert said["last"] == 1.0
    assert "# the one with the hat" in text


def test_a_word_that_needs_no_quotes_leaves_the_form() -> None:
    """A file would come out in another form than the one that people know."""
    assert reworded(FILE, "x", lambda text: text.replace("Robin", "Ida")) == FILE.replace(
        "Robin", "Ida"
    )


def test_items_go_with_their_lines() -> None:
    """A case about somebody else would stay, or take its neighbour along."""

    def is_b(item: Json) -> bool:
        return isinstance(item, dict) and item["id"] == "b"

    text = without_items(FILE.partition("last")[0], "x", "list", is_b)
    assert (
        text.partition("list:")[2]
        == """
  # first
  - {id: a, says: 'Robin''s'}
  # second
  - id: c
"""
    )


def test_what_is_no_yaml_is_refused() -> None:
    """A file would be changed that nobody can read."""
    with pytest.raises(ContentError):
        with_values("a: [", "x", {("a",): "b"})
