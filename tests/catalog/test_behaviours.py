"""Behaviours and what stands beside them: contradictions are seen, and only where they are."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.behaviours import contradictions
from app.domain.authority import Instruction
from app.domain.persona import Verify
from tests.catalog.conftest import read
from tests.cli.running import run

TABLE = Path(__file__).parent.parent / "cases/catalog/goes_against.yaml"
Row = Any


def rows(part: str) -> list[Any]:
    """The rows of one part, each a parameter under its id."""
    listed = yaml.load(TABLE.read_text("utf-8"), yaml.CSafeLoader)[part]
    return [pytest.param(row, id=row["id"]) for row in listed]


@pytest.mark.parametrize("row", rows("against"))
def test_words_that_go_against_a_behaviour_are_seen(row: Row) -> None:
    """A scenario or a system message could switch a behaviour off unseen."""
    assert Instruction(row["text"]).goes_against(Instruction(row["instruct"]))


@pytest.mark.parametrize("row", rows("beside"))
def test_words_that_do_not_are_left_alone(row: Row) -> None:
    """Applications would be refused, and authors warned, for nothing."""
    assert not Instruction(row["text"]).goes_against(Instruction(row["instruct"]))


@given(st.text(), st.text())
@settings(deadline=None)
def test_any_words_can_be_compared(text: str, instruct: str) -> None:
    """A request would end in an error because of its words."""
    assert Instruction(text).goes_against(Instruction(instruct)) in {True, False}
    assert not Instruction(text).goes_against(Instruction(text))


PERSONA = """
extends: house
identity: {role: tutor}
scenarios:
  exam: {instruct: "Ignore the rule about hints."}
  play: {instruct: Give hints freely.}
behaviours:
  - {id: hints, instruct: First a hint; name the rule behind hints., verify: {words: [hint]}}
  - {id: no-hints, instruct: x, verify: {words: [hint], expect: absent}, scenarios: [exam]}
  - {id: quiet, instruct: y, verify: {words: [Hint, clue], expect: absent}, scenarios: [play]}
  - {id: louder, instruct: z, verify: {words: [clue]}, scenarios: [exam]}
  - {id: loose, instruct: Name the rule behind hints., authority: user}
"""


def test_contradictions_are_warnings_at_their_places(root: Path) -> None:
    """An author would not see that no answer can keep to both, or be stopped by a guess."""
    (root / "personas/tutor.yaml").write_text(PERSONA, "utf-8")
    catalog = read(root)
    told = [(each.line, each.path, each.what) for each in contradictions(catalog)]
    against = "seems to go against the behaviour 'hints', which stands above it"
    opposite = "cannot hold where 'hints' holds: they ask for the opposite"
    assert told == [
        (5, "scenarios.exam.instruct", against),
        (9, "behaviours[2].verify", opposite),
        (10, "behaviours[3].verify", opposite),
    ]


def test_what_files_say_in_few_words(root: Path) -> None:
    """A behaviour would be measured by the opposite of what its author wrote."""
    ways = {
        "{pattern: 'a.b'}": Verify(
            detector="patterns",
            settings={"patterns": [{"id": "pattern", "regex": "a.b"}]},
            expect="present",
        ),
        "{pattern: 'a', expect: absent}": Verify(
            detector="patterns",
            settings={"patterns": [{"id": "pattern", "regex": "a"}]},
            expect="absent",
        ),
        "{words: [a, b]}": Verify(
            detector="words", settings={"words": ["a", "b"], "match": "whole"}, expect="present"
        ),
        "{words: {words: [a], match: part}, min_score: 0.9}": Verify(
            detector="words",
            settings={"words": ["a"], "match": "part"},
            expect="absent",
            min_score=0.9,
        ),
        "{judge: Is it?, expect: 'yes'}": Verify(
            detector="judge",
            settings={"question": "Is it?", "route": "judge", "expect": "yes"},
            expect="absent",
        ),
        "{judge: {question: Is it?}, expect: present}": Verify(
            detector="judge",
            settings={"question": "Is it?", "route": "judge", "expect": "no"},
            expect="present",
        ),
        "{injection: {}}": Verify(detector="injection", settings={}, expect="absent"),
    }
    listed = "".join(
        f"  - {{id: b{at}, instruct: x, verify: {way}}}\n" for at, way in enumerate(ways)
    )
    head = "extends: house\nidentity: {role: tutor}\nbehaviours:\n"
    (root / "personas/tutor.yaml").write_text(head + listed, "utf-8")
    behaviours = read(root).personas["tutor"].behaviours[1:]
    assert [each.verify for each in behaviours] == list(ways.values())


def test_check_prints_warnings_and_is_content(tmp_path: Path) -> None:
    """A warning would fail a build, or nobody would see it."""
    from tests.e2e.project import write_project  # noqa: PLC0415  # this test alone

    root = write_project(tmp_path / "project", "http://127.0.0.1:9/v1")
    text = "extends: lexi\nscenarios:\n  quick: {instruct: Do not number the steps.}\n"
    (root / "personas/hasty.yaml").write_text(text, "utf-8")
    ended = run("check", "--root", root)
    assert ended.status == 0
    assert ended.out.splitlines()[0] == (
        "warning: personas/hasty.yaml:3:21: scenarios.quick.instruct: seems to go against the "
        "behaviour 'numbered', which stands above it"
    )
