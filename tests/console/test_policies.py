"""The policy matrix: what the table says is what the policy does."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page

from app.console.curves import HEIGHT, WIDTH, curves
from app.console.matrix import Matrix, matrix
from app.console.policies import pieces
from app.domain.finding import Finding
from app.domain.policy import Action, Step
from app.evals.calibrate import Calibration, Point
from app.main import load_project
from app.metrics.intervals import Share
from tests.console.browser import PHONE, Watched, is_scrolled_sideways, violations
from tests.console.conftest import sign_in
from tests.e2e.gateway import Gateway
from tests.e2e.project import write_project

_ROOT = """
audiences: {strictest_first: [minor, public], default: public}
rules:
  - id: words
    stages: [input]
    detect: {words: {words: [banned]}}
    then: {public: [{at: 0.5, do: flag}, {at: 0.9, do: block}]}
  - {id: calm, stages: [output], detect: {words: {words: [darn]}}, then: mask, mode: observe}
"""
_CHILD = """
extends: house
rules:
  - {id: words, then: {minor: block}}
  - {id: own, stages: [input], detect: {words: {words: [mine]}}, then: flag}
waivers:
  - rule: words
    audience: public
    to: flag
    reason: a trial
    approved_by: "@ann"
    expires: 2026-06-30
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that inherits, changes, adds and waives."""
    root = write_project(tmp_path_factory.mktemp("matrix"), "http://127.0.0.1:9")
    (root / "policies/house.yaml").write_text(_ROOT, "utf-8")
    (root / "policies/child.yaml").write_text(_CHILD, "utf-8")
    return root


def _table(project: Path, day: date) -> Matrix:
    catalog = load_project(project, reads_secrets=False).read()
    return matrix(catalog, catalog.policies["child"], day)


def test_the_table_says_what_holds_today(project: Path) -> None:
    """A reviewer would read another policy than the one that is served."""
    table = _table(project, date(2026, 6, 30))
    words, calm, own = table.rows
    assert table.chain == ("child", "house")
    assert (words.inherited_from, words.changed_here) == ("house", True)
    assert (calm.inherited_from, calm.changed_here, calm.observes) == ("house", False, True)
    assert (own.inherited_from, own.changed_here) == (None, False)
    minor, public = words.cells
    assert minor.steps == (Step(0.0, Action.BLOCK),)
    assert minor.source.file == "policies/child.yaml"
    assert public.steps == (Step(0.5, Action.FLAG), Step(0.9, Action.FLAG))
    assert public.written[1].do is Action.BLOCK
    assert [waiver.reason for waiver in public.waivers] == ["a trial"]
    assert (minor.taken_from, calm.cells[0].taken_from) == (None, None)


def test_a_waiver_is_over_after_its_day(project: Path) -> None:
    """The table would show a rule weaker than it is."""
    table = _table(project, date(2026, 7, 1))
    public = table.rows[0].cells[1]
    assert public.steps == (Step(0.5, Action.FLAG), Step(0.9, Action.BLOCK))
    assert [each.days_left for each in table.waivers] == [-1]


@given(st.text(max_size=40), st.data())
def test_a_sentence_in_pieces_is_the_sentence(text: str, data: st.DataObject) -> None:
    """The page would show other words than those that were tried."""
    place = st.integers(0, len(text))
    spans = data.draw(st.lists(st.tuples(place, place, st.floats(0, 1)), max_size=5))
    found = [
        Finding("words", "word", score, "text", min(a, b), max(a, b), "1") for a, b, score in spans
    ]
    made = pieces(text, found)
    assert "".join(piece for piece, _ in made) == text
    at = 0
    for piece, finding in made:
        assert finding is None or finding.start <= at <= at + len(piece) <= finding.end
        at += len(piece)


@given(st.lists(st.floats(0.1, 1), max_size=6), st.lists(st.floats(0.1, 1), min_size=1, max_size=6))
def test_a_curve_stays_in_its_box(harmful: list[float], harmless: list[float]) -> None:
    """A line would leave the picture, or stand beside the threshold that it is about."""

    def reaching(at: float, scores: list[float]) -> Share:
        return Share(sum(score >= at for score in scores), len(scores))

    points = tuple(
        Point(at, reaching(at, harmless), reaching(at, harmful))
        for at in sorted({0.1, 1.0, *harmful, *harmless})
    )
    now = points[0]
    (curve,) = curves([Calibration("r", "public", 0.01, 0, now, None, {}, points)])
    assert bool(curve.caught) == bool(harmful)
    for band in filter(None, (curve.caught_band, curve.stopped_band)):
        for corner in band.split():
            x, y = map(float, corner.split(","))
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT
    assert [mark.x for mark in curve.marks] == [round(now.at * WIDTH, 2)]


def test_a_sentence_is_tried_for_all_audiences(page: Page) -> None:
    """An author would see the outcome for one audience, and ship for three."""
    page.goto("/console/policies?policy=root")
    page.get_by_role("textbox", name="A sentence").fill("a grown-up asks; write to ann@example.org")
    page.get_by_role("button", name="Run for all audiences").press("Enter")
    rows = page.get_by_role("region", name="What came of the sentence").get_by_role("row")
    rows.nth(3).wait_for()
    said = [rows.nth(number).inner_text() for number in (1, 2, 3)]
    assert ["blocked" in each for each in said] == [True, False, False]
    assert "flagged" in said[1]
    assert all("EMAIL_ADDRESS_" in each for each in said[1:])
    assert "policies/root.yaml:" in said[0]
    assert violations(page) == []
    page.set_viewport_size(PHONE)
    assert not is_scrolled_sideways(page)


def test_an_empty_sentence_is_said_to_be_one(watched: Watched, console: Gateway) -> None:
    """Nothing would happen, and nobody would know why."""
    sign_in(watched.page, console.keys["author"])
    watched.expected = ("400",)
    watched.page.goto("/console/policies")
    watched.page.get_by_role("textbox", name="A sentence").fill("   ")
    watched.page.get_by_role("button", name="Run for all audiences").click()
    watched.page.get_by_role("alert").wait_for()
    assert "Write a sentence" in watched.page.get_by_role("alert").inner_text()
