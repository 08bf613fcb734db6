"""Where records come from: the gateway's ledger, an export of it, a Parquet file; the same each."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.domain.decision import Outcome
from app.domain.errors import LedgerError, RequestError
from app.guardrails.kinds import KINDS
from app.guardrails.plan import Builds
from app.ledger.columnar import ColumnarWriter
from app.ledger.exported import read_exported
from app.ledger.recorded import recorded_of
from app.main import load_project
from app.pipeline.loaded import Loaded
from app.review.replay import Kept, recorded_in, replay_records
from app.review.replayed import Replayed, State
from app.review.rerun import Rerun
from tests.e2e.project import write_project
from tests.ledger.exchanges import closing, opening
from tests.pipeline.exchanging import Kitchen, PlayedBackend, conversation, kitchen

ASKED = ("Hello", "Please ask-banned", "a grown-up thing", "needs-person", "Again")
LOOSER = (
    "detect: {words: {words: [ask-banned]}}\n    then: block",
    "detect: {words: {words: [ask-banned]}}\n    then: flag",
)
KEEPING = "keep: {content: rewritten, content_for: 30d}\n"
MORE = """\
  - id: twos
    stages: [output]
    detect: {words: {words: [Two]}}
    then: flag
  - id: gone
    stages: [output]
    detect: {prompt_leak: {}}
    then: flag
"""


def _changed(root: Path, name: str, *edits: tuple[str, str], more: str = "") -> Loaded:
    """A copy of the project with another policy."""
    made = root.with_name(name)
    shutil.copytree(root, made, ignore=shutil.ignore_patterns("var"))
    path = made / "policies/root.yaml"
    text = path.read_text("utf-8")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text + more, "utf-8")
    return load_project(made, reads_secrets=False).load()


@asynccontextmanager
async def served(root: Path, *asked: str) -> AsyncIterator[Kitchen]:
    """A gateway that has been asked these."""
    async with kitchen(root, PlayedBackend()) as at:
        for text in asked:
            async for _ in at.exchange(conversation(text)).run():
                pass
        yield at


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project of the test's own."""
    return write_project(tmp_path / "project", "http://127.0.0.1:9/v1")


async def test_every_source_says_the_same(root: Path, tmp_path: Path) -> None:
    """A file of records replays otherwise than its ledger, or answers that nobody got count."""
    pytest.importorskip("pyarrow")
    after = _changed(root, "after", LOOSER)
    lines, columns = tmp_path / "records.jsonl", tmp_path / "records.parquet"
    async with served(root, *ASKED) as at:
        for shadow in (opening("beside", shadow_of="shown"), opening("open", shadow_of="shown")):
            await at.ledger.open(shadow)
        await at.ledger.close(closing("beside"))
        lines.write_bytes(b"".join([line + b"\n" async for line in at.ledger.export()]))
        with ColumnarWriter(columns, by="0.0") as writer:
            async for rows in recorded_in(at.ledger):
                writer.add(rows)
        live = await replay_records(Kept(at.ledger), at.loaded, after)
        said = [await replay_records(path, at.loaded, after) for path in (lines, columns)]
    assert said == [live, live]
    assert live.total == live.baseline.agreed == len(ASKED)
    (flip,) = live.flips
    assert (flip.before, flip.after, flip.state) == (
        Outcome.BLOCK,
        Outcome.FLAG,
        State.COUNTERFACTUAL,
    )
    assert flip.causes[0].rule == "banned-question"


async def test_an_export_that_was_changed_is_refused(root: Path) -> None:
    """Somebody edits a record, and the change looks harmless."""
    async with served(root, "Hello") as at:
        lines = [line async for line in at.ledger.export()]
        record = (await at.records())[0]
    assert list(read_exported(lines)) == [recorded_of(record)]
    for bad in (
        [line.replace(b'"public"', b'"minor"') for line in lines],
        [*lines, lines[0]],
        [line for line in lines if b'"opening"' not in line],
        [b"{}"],
        lines[1:2],
    ):
        with pytest.raises(LedgerError):
            list(read_exported(bad))


async def _rerun(at: Kitchen, after: Loaded, *, builds: Builds | None = None) -> Replayed:
    rerun = Rerun(at.ledger, builds or Builds(KINDS))
    return await replay_records(Kept(at.ledger), at.loaded, after, rerun=rerun)


async def test_a_detector_that_did_not_look_looks_at_kept_text(root: Path) -> None:
    """A new rule is told to change nothing, or kept text is not used where policy allows it."""
    path = root / "policies/root.yaml"
    path.write_text(path.read_text("utf-8").replace("rules:\n", f"{KEEPING}rules:\n", 1), "utf-8")
    twos = MORE.partition("  - id: gone")[0]
    after = _changed(root, "after", more=twos)
    both = _changed(root, "both", more=MORE)
    mean = _changed(root, "mean", (KEEPING, ""), more=twos)
    async with served(root, "Hello", "Please ask-banned") as at:
        before = await replay_records(Kept(at.ledger), at.loaded, after)
        again = await _rerun(at, after)
        partly = await _rerun(at, both)
        kept = await _rerun(at, mean)
    assert (before.state(State.NEEDS_DETECTOR), before.flips) == (1, ())
    (need,) = before.needs
    assert (need.detector, need.rules) == ("words", ("twos",))
    assert (again.state(State.RERUN), again.state(State.EXACT)) == (1, 1)
    (flip,) = again.flips
    assert (flip.before, flip.after, flip.state) == (Outcome.ALLOW, Outcome.FLAG, State.RERUN)
    assert {need.detector for need in partly.needs} == {"prompt_leak"}
    assert partly.state(State.NEEDS_DETECTOR) == 1
    assert kept.state(State.NEEDS_DETECTOR) == 1


async def test_kept_text_is_not_looked_for_in_files(root: Path, tmp_path: Path) -> None:
    """Detectors are said to have run on text that a file does not have."""
    async with served(root) as at:
        with pytest.raises(RequestError, match="ledger"):
            await replay_records(
                tmp_path / "x.parquet",
                at.loaded,
                at.loaded,
                rerun=Rerun(at.ledger, Builds(KINDS)),
            )
        with pytest.raises(LedgerError, match=r"\.parquet or \.jsonl"):
            await replay_records(tmp_path / "x.csv", at.loaded, at.loaded)
