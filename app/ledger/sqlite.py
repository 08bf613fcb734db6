"""SQLite: what is special about it. See decision 0072."""

import fcntl
import os
import sqlite3
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from app.domain.errors import LedgerError

_BUSY_S = 5
_GENERATION_BYTES = 8

_EXPLAINED = {
    "SQLITE_FULL": "its storage is full: free some, or move it",
    "SQLITE_BUSY": "another process held it locked for too long",
    "SQLITE_CORRUPT": "its file is damaged: restore it from a backup",
    "SQLITE_NOTADB": "its file is no SQLite database: restore it from a backup",
    "SQLITE_READONLY": "its file cannot be written: check the file's and the folder's rights",
    "SQLITE_CANTOPEN": "its file cannot be opened: check the path and the folder's rights",
    "SQLITE_IOERR": "its storage failed to read or write",
}


class SqliteEngine:
    """A ledger in one file, for the processes of one machine.

    Beside the file lies a folder ``<file>.run`` with a lock for each writer.
    """

    def __init__(self, url: sa.URL) -> None:
        if not url.database or url.database == ":memory:":
            raise LedgerError("A ledger in SQLite needs a file: sqlite:///path/of/ledger.db.")
        run = Path(f"{url.database}.run")
        try:
            run.mkdir(parents=True, exist_ok=True, mode=0o700)
            # SQLite gives its log the rights of the file, so nothing here is for others to read.
            os.close(os.open(url.database, os.O_RDWR | os.O_CREAT, 0o600))
            self._generation = os.open(run / "generation", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise LedgerError(
                f"The ledger's folder cannot be written ({exc.strerror}); give the gateway the "
                "right, or choose another by 'storage.url'."
            ) from exc
        self._run = run
        self.begin = "BEGIN IMMEDIATE"
        self.errors: tuple[type[Exception], ...] = (sqlite3.Error, sa.exc.SQLAlchemyError)
        self.conflicts: tuple[type[Exception], ...] = (
            sqlite3.IntegrityError,
            sa.exc.IntegrityError,
        )
        arguments = {"check_same_thread": False, "timeout": _BUSY_S}
        # An error that is logged must not carry the values of its statement.
        self.readers = sa.create_engine(
            url,
            connect_args=arguments,
            isolation_level="AUTOCOMMIT",
            pool_reset_on_return=None,
            hide_parameters=True,
        )
        sa.event.listen(self.readers, "connect", _set_up_reader)
        # Its own thread uses the one connection it makes, so there is nothing to pool.
        self._writers = sa.create_engine(
            url,
            connect_args=arguments,
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
            hide_parameters=True,
        )
        sa.event.listen(self._writers, "connect", _set_up_writer)

    def connect(self) -> sa.Connection:
        """A connection that may write."""
        return self._writers.connect()

    def hold(self, writer: str) -> "SqliteHold | None":
        """Take a writer's identity; ``None`` where a live process has it."""
        handle = os.open(self._run / f"{writer}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return SqliteHold(handle)

    def scrub(self, connection: sa.Connection) -> bool:
        """Move the log into the file, whose freed pages are zeroed, and cut the log to nothing."""
        is_busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
        return not is_busy

    def generation(self) -> bytes:
        """A token that differs after any process called ``advance``."""
        return os.pread(self._generation, _GENERATION_BYTES, 0)

    def advance(self) -> None:
        """Put another token."""
        os.pwrite(self._generation, os.urandom(_GENERATION_BYTES), 0)

    def explain(self, error: BaseException) -> str:
        """What went wrong, by SQLite's own code."""
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        name = getattr(cause, "sqlite_errorname", None) or type(cause).__name__
        for code, words in _EXPLAINED.items():
            if name.startswith(code):
                return words
        return f"SQLite says {name}"

    def close(self) -> None:
        """Give back the connections that read."""
        self.readers.dispose()
        os.close(self._generation)


class SqliteHold:
    """A locked file. The lock belongs to the open file, so the system drops it with the process."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def release(self) -> None:
        """Drop the lock."""
        os.close(self._handle)


def _run_all(connection: DBAPIConnection, *statements: str) -> None:
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    cursor.close()


def _set_up_writer(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    _run_all(
        connection,
        f"PRAGMA busy_timeout = {_BUSY_S * 1000}",
        "PRAGMA journal_mode = WAL",
        # A commit returns after the log was synced to storage: the Record law.
        "PRAGMA synchronous = FULL",
        # What erasure deletes is overwritten with zeros.
        "PRAGMA secure_delete = ON",
    )


def _set_up_reader(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    _run_all(connection, f"PRAGMA busy_timeout = {_BUSY_S * 1000}", "PRAGMA query_only = ON")
