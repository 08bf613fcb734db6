"""Recorded exchanges, decided again under a change of files: exactly, offline, without text."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import islice
from pathlib import Path

from app.domain.errors import LedgerError
from app.ledger.columnar import ROWS, read_columnar
from app.ledger.columns import Columns, columns_of
from app.ledger.exported import read_exported
from app.ledger.ledger import Ledger
from app.ledger.recorded import Recorded, recorded_of
from app.ledger.records import MOST_RECORDS, RecordFilter
from app.pipeline.loaded import Loaded
from app.review.classes import Classes
from app.review.replayed import Replayed
from app.review.rulebook import rulebook
from app.review.spread import Spread
from app.review.tally import Tally


class Engine(StrEnum):
    """Where records are replayed."""

    HERE = "here"
    """In this process."""
    RAY = "ray"
    """On a cluster of Ray, or on this machine where there is none."""


def replay(
    source: Iterable[Columns], before: Loaded, after: Loaded, *, engine: Engine = Engine.HERE
) -> Replayed:
    """What becomes of recorded exchanges under a change.

    Args:
        source: The records, some at a time, in any order, each once.
        before: What the change is made to.
        after: With the change.
        engine: Where; the result is the same.

    Raises:
        LedgerError: The source cannot be read.
    """
    books = rulebook(before), rulebook(after)
    if engine is Engine.RAY:
        with Spread(books) as spread:
            return spread.tally(source).result(*books)
    classes, tally = Classes(*books), Tally()
    for columns in source:
        classes.count(columns, tally)
    return tally.result(*books)


def records_in(path: Path) -> Iterator[Columns]:
    """The records of a file: columns (``.parquet``), or an export of the ledger (``.jsonl``).

    Raises:
        LedgerError: It is none of them, or was changed.
    """
    match path.suffix:
        case ".parquet":
            yield from read_columnar(path)
        case ".jsonl":
            with path.open("rb") as lines:
                yield from _in_groups(read_exported(lines))
        case _:
            what = "records come from a .parquet or .jsonl file, as 'records export' writes them"
            raise LedgerError(f"{path.name}: {what}.")


async def records_of(ledger: Ledger) -> Sequence[Columns]:
    """All records of a ledger, of all tenants."""
    made: list[Columns] = []
    rows: list[Recorded] = []
    cursor: str | None = None
    while True:
        page = await ledger.records(RecordFilter(None, cursor=cursor, limit=MOST_RECORDS))
        rows += map(recorded_of, page.records)
        cursor = page.cursor
        if len(rows) + MOST_RECORDS > ROWS or cursor is None:
            made.append(columns_of(rows))
            rows = []
        if cursor is None:
            return made


def _in_groups(rows: Iterator[Recorded]) -> Iterator[Columns]:
    while some := list(islice(rows, ROWS)):
        yield columns_of(some)
