"""Statements over many rows at once, run on the driver's own cursor."""

from collections.abc import Sequence
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


# A driver lets go of the interpreter three times a statement, and beside a busy event loop each
# time may mean waiting a whole switch interval to get it back. So a batch is one statement.


class Insert:
    """Inserts whole rows, with the values in the order of the table's columns."""

    def __init__(self, table: sa.Table, dialect: sa.Dialect) -> None:
        one = str(sa.insert(table).compile(dialect=dialect))
        self._head, _, self._row = one.partition(" VALUES ")
        self._sql: dict[int, str] = {}

    def run(self, cursor: Cursor, rows: Sequence[Sequence[object]]) -> None:
        """Insert these; nothing for none."""
        for at in range(0, len(rows), _MOST_ROWS):
            some = rows[at : at + _MOST_ROWS]
            cursor.execute(self._of(len(some)), [value for row in some for value in row])

    def _of(self, count: int) -> str:
        sql = self._sql.get(count)
        if sql is None:
            sql = self._sql[count] = f"{self._head} VALUES {', '.join([self._row] * count)}"
        return sql


class SelectBy:
    """Selects the rows whose key is one of some."""

    def __init__(
        self, key: sa.Column[Any], columns: Sequence[sa.Column[Any]], dialect: sa.Dialect
    ) -> None:
        self._counts = [1, 4, 16, _MOST_ROWS]
        self._sql = {
            count: str(
                sa.select(*columns)
                .where(key.in_([sa.bindparam(f"key_{at}") for at in range(count)]))
                .compile(dialect=dialect)
            )
            for count in self._counts
        }

    def run(self, cursor: Cursor, keys: Sequence[object]) -> list[Sequence[Any]]:
        """The rows of these keys, in no order."""
        found: list[Sequence[Any]] = []
        for at in range(0, len(keys), _MOST_ROWS):
            some = list(keys[at : at + _MOST_ROWS])
            count = next(count for count in self._counts if count >= len(some))
            cursor.execute(self._sql[count], some + some[-1:] * (count - len(some)))
            found += cursor.fetchall()
        return found
