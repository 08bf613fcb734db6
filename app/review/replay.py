"""Recorded exchanges, decided again under a change of files: exactly, offline, without text."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path

from app.domain.errors import LedgerError, RequestError
from app.ledger.columnar import ROWS, read_columnar
from app.ledger.columns import Columns, columns_of
from app.ledger.exported import read_exported
from app.ledger.ledger import Ledger
from app.ledger.recorded import Recorded, is_shown, recorded_of
from app.ledger.records import MOST_RECORDS, Record, RecordFilter
from app.pipeline.loaded import Loaded
from app.review.again import Again, again
from app.review.classes import Classes
from app.review.replayed import Replayed
from app.review.rerun import Rerun, looked_again
from app.review.rulebook import rulebook
from app.review.spread import Books, Spread
from app.review.tally import Tally, alone


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


@dataclass(frozen=True, slots=True)
class Kept:
    """Records of a ledger."""

    ledger: Ledger
    tenant: str | None = None
    """Whose; none for those of all tenants."""
    most: int | None = None
    """How many of the newest; none for all."""


async def replay_records(
    source: Path | Kept,
    before: Loaded,
    after: Loaded,
    *,
    engine: Engine = Engine.HERE,
    rerun: Rerun | None = None,
) -> Replayed:
    """What becomes of recorded exchanges under a change.

    Args:
        source: A file that ``records_in`` reads, or records of a ledger.
        before: What the change is made to.
        after: With the change.
        engine: Where; the result is the same.
        rerun: What lets detectors that did not look then look now at text that the ledger kept;
            they are run here, one record after the other.

    Raises:
        LedgerError: The source cannot be read.
        RequestError: A file holds no text to look at.
    """
    if isinstance(source, Path):
        if rerun is not None:
            what = "text that was kept is in the ledger, and not in a file of records"
            raise RequestError(what, param="records")
        return replay(records_in(source), before, after, engine=engine)
    books = rulebook(before), rulebook(after)
    if rerun is not None:
        return (await _rerun(source, rerun, books, after)).result(*books)
    if engine is Engine.RAY:
        groups = [each async for each in _groups(source)]
        return replay(groups, before, after, engine=engine)
    classes, tally = Classes(*books), Tally()
    async for columns in _groups(source):
        classes.count(columns, tally)
    return tally.result(*books)


async def _rerun(kept: Kept, rerun: Rerun, books: Books, after: Loaded) -> Tally:
    tally = Tally()
    async for record in _records(kept):
        recorded = recorded_of(record)
        said = again(recorded, *books)
        if isinstance(said, Again) and said.needs:
            more = await looked_again(rerun, recorded, said, after, record.tenant)
            if more is not None:
                said = again(more, *books, is_rerun=True)
        tally.add(recorded, said, alone(recorded))
    return tally


async def recorded_in(ledger: Ledger) -> AsyncIterator[Sequence[Recorded]]:
    """All records of a ledger, of all tenants, some at a time."""
    async for rows in _recorded(Kept(ledger)):
        yield rows


async def records_of(ledger: Ledger) -> Sequence[Columns]:
    """All records of a ledger at once, of all tenants."""
    return [columns async for columns in _groups(Kept(ledger))]


async def _groups(kept: Kept) -> AsyncIterator[Columns]:
    async for rows in _recorded(kept):
        yield columns_of(rows)


async def _recorded(kept: Kept) -> AsyncIterator[Sequence[Recorded]]:
    rows: list[Recorded] = []
    async for record in _records(kept):
        rows.append(recorded_of(record))
        if len(rows) == ROWS:
            yield rows
            rows = []
    if rows:
        yield rows


async def _records(kept: Kept) -> AsyncIterator[Record]:
    cursor: str | None = None
    left = kept.most
    while left is None or left > 0:
        limit = MOST_RECORDS if left is None else min(MOST_RECORDS, left)
        page = await kept.ledger.records(RecordFilter(kept.tenant, cursor=cursor, limit=limit))
        for record in page.records:
            if is_shown(record.opening):
                yield record
        left = None if left is None else left - len(page.records)
        cursor = page.cursor
        if cursor is None:
            return


def _in_groups(rows: Iterator[Recorded]) -> Iterator[Columns]:
    while some := list(islice(rows, ROWS)):
        yield columns_of(some)
