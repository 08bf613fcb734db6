"""``banneton eval`` as people and CI run it."""

import csv
import io
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import orjson
import pytest

from app.evals.results import CaseState, read_case_line, read_results
from tests.cli.running import SHIPPED, run
from tests.evals.talking import leave_out

_CASES = """
defaults: {persona: lexi, tags: [all]}
cases:
  - {id: it holds, turns: [{user: hi, expect: [{contains: hi}]}]}
  - {id: it fails, tags: [bad], turns: [{user: "=1+1 <b>", expect: [{contains: ho}]}]}
  - {id: nobody knows, tags: [open], turns: [{user: hi, expect: [{at_most: {cost: 1}}]}]}
  - {id: it breaks, tags: [out], turns: [{user: break, expect: [{contains: a}]}]}
"""
_ANSWERS = """
rules:
  - {when: {equals: break}, failure: {problem: failed}}
  - {text: "You said: {{last_user}}"}
"""


@pytest.fixture
def talks(root: Path) -> Path:
    """A project with four conversations."""
    leave_out(root, {"lexi"})
    (root / "evals").mkdir()
    (root / "evals" / "talks.yaml").write_text(_CASES)
    (root / "answers.yaml").write_text(_ANSWERS)
    return root


def test_what_came_of_a_run_is_in_its_status(talks: Path) -> None:
    """CI would let a failing case through, or stop on what nobody could tell for a failure."""
    live = ("eval", "--root", talks, "--answers", "live")
    assert run(*live, "--case", "it holds").status == 0
    assert run(*live).status == 1
    assert run(*live, "--tag", "open").status == 2
    assert run(*live, "--tag", "out").status == 2
    ended = run("eval", "--root", talks, "--tag", "nonsense")
    assert (ended.status, ended.out) == (2, "")
    assert "no case fits the filters; there are 4 cases in talks" in ended.err


def test_the_summary_says_what_failed_where_and_why(talks: Path) -> None:
    """Somebody would see a red line and not know what to mend."""
    out = run("eval", "--root", talks, "--answers", "live").out
    assert "talks (lexi): 1 held, 1 failed, 1 not scored, 1 errors" in out
    assert "failed: talks/lexi/it fails (evals/talks.yaml:5)" in out
    assert "turns[0].expect[0] contains: lacks" in out
    assert "error: talks/lexi/it breaks (evals/talks.yaml:7)\n  the model failed" in out
    assert "Every model was asked." in out


def test_results_are_told_to_machines(talks: Path) -> None:
    """A CI system would show nothing, or a spreadsheet run what a case says."""
    live = ("eval", "--root", talks, "--answers", "live", "--format")
    told = read_results(run(*live, "json").out.encode())
    assert [each.state.value for each in told.runs] == ["held", "failed", "not_scored", "error"]
    suites = ET.fromstring(run(*live, "junit").out)  # noqa: S314  # written by the command
    assert {name: suites.get(name) for name in ("tests", "failures", "skipped", "errors")} == {
        "tests": "4",
        "failures": "1",
        "skipped": "1",
        "errors": "1",
    }
    lines = list(csv.DictReader(io.StringIO(run(*live, "csv").out)))
    assert [line["state"] for line in lines] == ["held", "failed", "not_scored", "error"]
    assert [line["cost_usd"] for line in lines] == ["", "", "", ""]


def test_the_page_asks_nobody_and_runs_nothing(talks: Path) -> None:
    """A report of a case that attacks its readers would do so."""
    to = talks / "eval.html"
    ended = run("eval", "--root", talks, "--answers", "live", "--format", "html", "--to", to)
    page = to.read_text("utf-8")
    assert ended.status == 1
    assert "=1+1 &lt;b&gt;" in page
    assert "<b>" not in page.replace("<b class", "").replace('"><b>', "")
    assert not re.search(r"<script|javascript:|https?://|\son\w+=|url\(|@import", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme:dark" in page


def test_stale_recordings_are_named_and_removed(talks: Path) -> None:
    """Files of recordings would grow with answers that nobody asks for."""
    eval_ = ("eval", "--root", talks, "--case", "it holds")
    assert run(*eval_, "--answers", "record").status == 0
    assert run(*eval_).status == 0
    (talks / "evals" / "talks.yaml").write_text(_CASES.replace("user: hi", "user: hi there"))
    ended = run(*eval_)
    assert ended.status == 2
    assert "banneton eval --answers record --suite talks" in ended.out
    ended = run(*eval_, "--answers", "record")
    assert "1 recording asked for no more; --prune removes them" in ended.err
    assert "1 recording removed" in run(*eval_, "--prune").err
    assert len((talks / "evals/recordings/talks.jsonl").read_bytes().splitlines()) == 1


def test_a_run_that_was_killed_goes_on(talks: Path) -> None:
    """A long run that was stopped would have to be paid for again."""
    many = "".join(
        f"  - {{id: case {number}, turns: [{{user: hi {number}, expect: [{{contains: hi}}]}}]}}\n"
        for number in range(6)
    )
    (talks / "evals" / "talks.yaml").write_text(f"defaults: {{persona: lexi}}\ncases:\n{many}")
    (talks / "answers.yaml").write_text(
        'rules: [{text: "You said: {{last_user}}", delay_ms: 120, chunk_chars: 99}]\n'
    )
    options = ["eval", "--root", str(talks), "--answers", "live", "--at-once", "1"]
    process = subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-m", "app", *options], cwd=SHIPPED, stdout=subprocess.DEVNULL
    )
    try:
        kept = _lines_of(talks, at_least=3, process=process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    (journal,) = (talks / "var/eval").iterdir()
    with journal.open("ab") as opened:  # as if it had been killed while it wrote
        opened.write(b'{"suite": "tal')
    assert run(*options, "--repeats", "2", "--resume").status == 2
    ended = run(*options, "--resume", "--format", "json")
    assert ended.status == 0
    runs = read_results(ended.out.encode()).runs
    assert [each.state for each in runs] == [CaseState.HELD] * 6
    before = [read_case_line(line) for line in kept]
    # What was kept was not run again: its durations are the same.
    assert [each.transcript for each in runs[: len(before)]] == [e.transcript for e in before]
    assert not list((talks / "var/eval").iterdir())


def _lines_of(talks: Path, *, at_least: int, process: "subprocess.Popen[bytes]") -> list[bytes]:
    """The whole lines of the journal, once there are so many with the first."""
    for _ in range(3000):
        found = list((talks / "var/eval").glob("*.jsonl"))
        lines = found[0].read_bytes().split(b"\n")[:-1] if found else []
        if len(lines) >= at_least:
            return lines[1:]
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.02)
    pytest.fail("no results came")


def test_the_shipped_conversations_hold_on_recorded_answers() -> None:
    """A change of the shipped files would be merged that breaks a persona; or CI need a key."""
    ended = run("eval", "--root", SHIPPED, "--route", "written", "--format", "json")
    assert ended.status == 0, run("eval", "--root", SHIPPED, "--route", "written").out
    told = orjson.loads(ended.out)
    assert told["counts"]["held"] == len(told["runs"]) > 20
    assert "asked for no more" not in ended.err
