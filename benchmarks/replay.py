"""What replaying a million records costs: columns read from a file, every class decided once.

python -m benchmarks.replay [--write docs/reference/models/replay.md] (Linux)
"""

import argparse
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Self

from app import __version__
from app.domain.decision import Outcome, StageTrace
from app.domain.finding import Finding
from app.domain.policy import Stage
from app.domain.record import Status
from app.guardrails.stage_plan import PlannedRule
from app.ledger.columnar import ROWS, ColumnarWriter, read_columnar
from app.ledger.columns import Columns, columns_of
from app.ledger.recorded import Recorded
from app.main import find_root, load_project
from app.pipeline.loaded import Loaded
from app.review.again import again
from app.review.classes import Classes
from app.review.redecide import baseline
from app.review.rulebook import Rulebook, ServedRules, rulebook
from app.review.tally import Tally, alone
from benchmarks.detectors import table

RECORDS = 1_000_000
POOL = ROWS
"""Records that are made one by one, each with findings of its own; the rest are these with other
ids and times."""
NEWEST = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 90
MOSTLY = 0.8
FINDINGS = (0.55, 0.2, 0.1, 0.06, 0.04, 0.03, 0.02)
"""How many findings how many requests have, and answers; the last one has up to twenty."""
CATEGORIES: Mapping[str, Sequence[str]] = {
    "pii": ["EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "CN_ID"],
    "names": ["PERSON", "LOCATION"],
    "injection": ["jailbreak", "override", "extraction", "roleplay"],
    "harm": [f"S{number}" for number in range(1, 14)],
    "secrets": ["aws_access_key", "github_token", "private_key", "password"],
    "encoding": ["invisible", "bidi", "payload", "mixed_script"],
    "links": ["image_data", "userinfo", "lookalike", "plain_http"],
}
EDITS = (
    ("policies/baseline.yaml", "{at: 0.9, do: block}", "{at: 0.95, do: block}"),
    ("policies/baseline.yaml", "then: [{at: 0.6, do: flag}]", "then: [{at: 0.8, do: flag}]"),
)
"""A change that touches every persona: two thresholds are raised."""


def one(dice: random.Random, book: Rulebook, number: int) -> Recorded:
    """A record as its own rules decide it."""
    (persona, variant), served = dice.choice(list(book.served.items()))
    audience = dice.choice(served.policy.audiences)
    at = NEWEST - timedelta(seconds=dice.randint(0, DAYS * 86_400))
    draw = dice.randint(0, 9_999) / 100
    stages = [Stage.INPUT] if dice.random() < MOSTLY else [Stage.INPUT, Stage.TOOL_RESULT]
    request = tuple(part(dice, served, (stage, audience, at, draw)) for stage in stages)
    made = Recorded(
        request_id=f"{number:032x}",
        at=at,
        persona=persona,
        variant=variant,
        audience=audience,
        policy=served.policy.id,
        catalog=book.catalog.digest if dice.random() < MOSTLY else f"sha256:{dice.randint(0, 3)}",
        status=Status.COMPLETED,
        input_outcome=Outcome.ALLOW,
        outcome=Outcome.ALLOW,
        input=request,
        answer=(),
        decisions=(),
        stopped=frozenset(),
    )
    _, asked = baseline(served, made)
    if asked not in {Outcome.BLOCK, Outcome.ESCALATE, Outcome.UNCHECKED}:
        made = replace(made, answer=(part(dice, served, (Stage.OUTPUT, audience, at, draw)),))
    decisions, outcome = baseline(served, made)
    return replace(made, input_outcome=asked, outcome=outcome, decisions=decisions)


def part(
    dice: random.Random, served: ServedRules, where: tuple[Stage, str, datetime, float]
) -> StageTrace:
    """What was seen at a stage: scores are never the same twice."""
    stage, audience, at, draw = where
    rules: Sequence[PlannedRule] = served.rules.at(stage, audience, at, draw).rules
    (count,) = dice.choices(range(len(FINDINGS)), FINDINGS)
    count = dice.randint(count, 20) if count == len(FINDINGS) - 1 else count
    findings = []
    for rule in dice.choices(rules, k=count):
        category = dice.choice(CATEGORIES.get(rule.ref.detector, ["other"]))
        score = 0.1 + 0.9 * dice.random()
        findings.append(
            Finding(rule.ref.detector, category, score, "text", 0, 9, "", spec=rule.ref.spec)
        )
    ran = tuple({rule.ref: None for rule in rules})
    return StageTrace(stage, ran, tuple(findings), draw=draw)


def groups(pool: Columns, records: int) -> Iterator[Columns]:
    """So many records: the pool over and over, with other ids and times."""
    shift = timedelta(minutes=1) // timedelta(microseconds=1)
    for number, start in enumerate(range(0, records, len(pool))):
        count = min(len(pool), records - start)
        ids = [f"{start + at:032x}" for at in range(count)]
        moved = replace(
            pool, request_id=[*ids, *pool.request_id[count:]], at=pool.at - number * shift
        )
        yield moved if count == len(pool) else first(moved, count)


def first(columns: Columns, count: int) -> Columns:
    """The first of some records."""
    return columns_of([columns.row(at) for at in range(count)])


def changed(root: Path, folder: Path) -> Loaded:
    """The project with the change."""
    there = folder / "changed"
    shutil.copytree(root, there, ignore=shutil.ignore_patterns(".*", "tests", "docs", "var", "app"))
    for file, old, new in EDITS:
        path = there / file
        text = path.read_text("utf-8")
        if old not in text:
            raise SystemExit(f"{file} has no {old!r}")
        path.write_text(text.replace(old, new), "utf-8")
    return load_project(there, reads_secrets=False).load()


@dataclass(frozen=True)
class Took:
    """What some work took."""

    wall_s: float
    cpu_s: float


class Clock:
    """Measures what is done in its block."""

    took: Took

    def __enter__(self) -> Self:
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        wall, cpu = self._began
        self.took = Took(time.perf_counter() - wall, time.process_time() - cpu)


def row(what: str, records: int, took: Took) -> Sequence[str]:
    """A row of the table."""
    each = 1e6 * took.cpu_s / records
    return [what, f"{records:,}", f"{took.wall_s:.1f}", f"{took.cpu_s:.1f}", f"{each:.1f}"]


def measured(records: int) -> str:
    """The page."""
    root = find_root(None)
    dice = random.Random(20)  # noqa: S311  # the same records every time
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = load_project(root, reads_secrets=False).load()
        books = rulebook(before), rulebook(changed(root, folder))
        rows = [one(dice, books[0], number) for number in range(min(POOL, records))]
        file = folder / "records.parquet"
        with Clock() as writing, ColumnarWriter(file, by=__version__) as writer:
            for columns in groups(columns_of(rows), records):
                writer.add_columns(columns)
        size_mb = file.stat().st_size / 1e6
        with Clock() as reading:
            found = sum(len(columns.score) for columns in read_columnar(file))
        classes, tally = Classes(*books), Tally()
        with Clock() as deciding:
            for columns in read_columnar(file):
                classes.count(columns, tally)
        with Clock() as forgetting:
            for columns in read_columnar(file):
                Classes(*books).count(columns, Tally())
        result = tally.result(*books)
        some = list(islice(rows, 2_000))
        alike = Tally()
        with Clock() as singly:
            for each in some:
                alike.add(each, again(each, *books), alone(each))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    listed = [
        row("write the file", records, writing.took),
        row("read the file", records, reading.took),
        row("**read it and replay it**", records, deciding.took),
        row("the same, and nothing is remembered from group to group", records, forgetting.took),
        row("decide each by itself, for comparison", len(some), singly.took),
    ]
    head = ["what", "records", "wall s", "CPU s", "CPU µs a record"]
    flips = sum(flip.count for flip in result.flips)
    return f"""\
# Speed of replay

Made by `python -m benchmarks.replay`: one process on one core. {records:,} records of the shipped
personas over {DAYS} days, {found / records:.1f} findings each with scores that are never the same
twice, a fifth of them under other revisions; {size_mb:.0f} MB of Parquet. {min(POOL, records):,}
are made one by one, the others are these with other ids and times. The change raises
two thresholds of `baseline`: {flips:,} outcomes turn, in
{len(result.flips)} groups.

{table(head, listed)}

Decided one by one for their class: {classes.decided:,} records. Most memory held: {peak_mb:.0f} MB,
the models and Presidio of the shipped policies among it. The machine is shared, so read the CPU
time.
"""


def main() -> None:
    """Measure, and print or write."""
    parser = argparse.ArgumentParser(description="What replaying costs.")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--records", type=int, default=RECORDS)
    given = parser.parse_args()
    made = measured(given.records)
    print(made)
    if given.write is not None:
        given.write.write_text(made, "utf-8")


if __name__ == "__main__":
    main()
