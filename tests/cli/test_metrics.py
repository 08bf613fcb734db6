"""Metrics from the terminal, on a ledger of weeks."""

import asyncio
import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.ledger.exchanges import NOON, StandingClock
from tests.pipeline.traffic import EVERY, NEW, SESSIONS, filled

SPAN = ("--since", NOON.isoformat(), "--until", (NOON + EVERY * SESSIONS).isoformat())


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    async def fill() -> None:
        await (await filled(made, StandingClock())).stop()

    made = tmp_path_factory.mktemp("traffic")
    asyncio.run(fill())
    return made


@pytest.fixture
def root(root: Path, _made: Path) -> Path:
    """A project whose ledger has it."""
    (root / "var").mkdir()
    shutil.copy(_made / "ledger.db", root / "var" / "banneton.db")
    shutil.copy(_made / "ledger.key", root / "var" / "banneton.key")
    return root


def test_metrics_are_printed_for_people(root: Path) -> None:
    """A product manager sees no numbers, or not that one of them fell."""
    ended = run("metrics", "--root", root, *SPAN, "--by", "persona,catalog")
    assert ended.status == 1, ended.err
    assert ended.out.startswith(f"{2 * SESSIONS} exchanges in {2 * SESSIONS} sessions, 2026-05-04")
    assert "worse: breaking adherence:cites, 0.8" in ended.out
    assert f"served by {NEW.removeprefix('sha256:')[:12]})" in ended.out
    assert "steady adherence" not in ended.out.partition("worse:")[2]
    assert "not scored" in ended.out
    steady = run("metrics", "--root", root, *SPAN, "--persona", "steady")
    assert (steady.status, "worse:" in steady.out) == (0, False)
    nothing = run("metrics", "--root", root, *SPAN, "--tenant", "nobody")
    assert nothing.status == 0
    assert nothing.out.startswith("0 exchanges in 0 sessions")
    assert nothing.out.endswith("too little to say whether anything changed\n")


def test_metrics_are_printed_for_machines(root: Path) -> None:
    """A spreadsheet or a script gets other numbers than people."""
    wanted = ("--metric", "satisfaction", "--period", "day", "--persona", "breaking")
    ended = run("metrics", "--root", root, *SPAN, *wanted, "--format", "json")
    document = json.loads(ended.out)
    ended = run("metrics", "--root", root, *SPAN, *wanted, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert len(rows) == len(document["metrics"]) == 2 * 11
    for row, line in zip(rows, document["metrics"], strict=True):
        assert (float(row["value"]) if row["value"] else None) == line["value"]
        assert line["period"].startswith(row["period"])
        assert int(row["sessions"]) == line["sessions"]
    [change] = document["changes"]
    assert change["metric"] == "satisfaction"
    assert change["is_worse"]
    empty = run("metrics", "--root", root, "--tenant", "x", "--format", "csv")
    assert (empty.status, empty.out) == (0, "metric\n")


def test_what_cannot_be_measured_is_an_error(root: Path) -> None:
    """A mistyped metric gives an empty table, which looks as if nothing had happened."""
    ended = run("metrics", "--root", root, "--metric", "happiness")
    assert (ended.status, ended.out) == (2, "")
    assert "there is no such metric" in ended.err
    listed = run("metrics", "--list").out
    assert "satisfaction: Satisfaction\n" in listed
    assert "adherence:<behaviour>" in listed
