"""Statements over many rows at once, run on the driver's own cursor."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

_MOST_ROWS = 64


class Cursor(Protocol):
    """What is used of a driver's cursor. SQLAlchemy's own would cost more than SQLite does."""

    def execute(self, sql: str, values: Sequence[object] = ..., /) -> object:
        """Run a statement."""
        ...

    def fetchall(self) -> Sequence[Sequence[Any]]:
        """All rows that the statement gave."""
        ...


class Statements:
    """One statement for each power of two of rows, compiled when first needed.

    A driver lets go of the interpreter several times a statement, and on a busy event loop each
    time means waiting for it again: sixteen rows in one statement wait once, not sixteen times.
    """

    def __init__(self, build: Callable[[int], sa.ClauseElement], dialect: sa.Dialect) -> None:
        self._build = build
        self._dialect = dialect
        self._sql: dict[int, str] = {}

    def run(self, cursor: Cursor, rows: Sequence[Sequence[object]]) -> None:
        """Run the statement over all rows; nothing for none."""
        at = 0
        while at < len(rows):
            count = min(1 << (len(rows) - at).bit_length() - 1, _MOST_ROWS)
            cursor.execute(
                self._of(count), [value for row in rows[at : at + count] for value in row]
            )
            at += count

    def select(self, cursor: Cursor, keys: Sequence[object]) -> list[Sequence[Any]]:
        """Run a statement that asks for keys, and gather what it gives."""
        found: list[Sequence[Any]] = []
        at = 0
        while at < len(keys):
            count = min(1 << (len(keys) - at).bit_length() - 1, _MOST_ROWS)
            cursor.execute(self._of(count), keys[at : at + count])
            found += cursor.fetchall()
            at += count
        return found

    def _of(self, count: int) -> str:
        sql = self._sql.get(count)
        if sql is None:
            compiled = self._build(count).compile(dialect=self._dialect)
            sql = self._sql[count] = str(compiled)
        return sql


def insert_rows(table: sa.Table) -> Callable[[int], sa.ClauseElement]:
    """Insert whole rows, values in the order of the table's columns."""
    return lambda count: sa.insert(table).values(
        [{c.name: sa.bindparam(f"{c.name}_{row}") for c in table.columns} for row in range(count)]
    )


def select_by(key: sa.Column[Any], *columns: sa.Column[Any]) -> Callable[[int], sa.ClauseElement]:
    """Select the rows whose key is one of these."""
    return lambda count: sa.select(*columns).where(
        key.in_([sa.bindparam(f"key_{at}") for at in range(count)])
    )
