"""An open database: one writer, many readers, and the keys. What the rest of the room stands on."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from app.domain.clock import Clock, NewId
from app.domain.errors import LedgerError
from app.ledger.chain import Chain
from app.ledger.engine import Engine, Hold
from app.ledger.keyring import Keyring, read_or_create
from app.ledger.migrate import migrate
from app.ledger.orphans import close_orphans
from app.ledger.schema import CHECKPOINTS, ENTRIES, MASTER_KEY, WRITERS, to_micros
from app.ledger.sqlite import SqliteEngine
from app.ledger.verify import Head
from app.ledger.writer import Writer

T = TypeVar("T")

_ENGINES: dict[str, Callable[[sa.URL], Engine]] = {"sqlite": SqliteEngine}


@dataclass(frozen=True, slots=True)
class _Opened:
    engine: Engine
    keyring: Keyring
    writer: Writer


class Store:
    """A database that this process may write. Made by ``start``, given back by ``stop``."""

    def __init__(self, opened: _Opened, clock: Clock, resources: ExitStack) -> None:
        self.engine = opened.engine
        self.keyring = opened.keyring
        self.clock = clock
        self.keep = opened.writer.keep
        self.do = opened.writer.do
        self._writer = opened.writer
        self._resources = resources

    @classmethod
    async def start(cls, url: str, key_file: Path, clock: Clock, new_id: NewId) -> "Store":
        """Open the database.

        Brings its tables up to date, takes or makes a writer's identity, and closes as
        ``cut_off`` what writers left open that are gone.

        Args:
            url: Such as ``sqlite:///var/ledger.db``.
            key_file: Where the master key is; made where the ledger is new and there is none.
            clock: What time it is.
            new_id: Gives the id of a new writer.

        Raises:
            LedgerError: With what to do.
        """
        with ExitStack() as resources:
            opened = await asyncio.to_thread(_open, resources, url, key_file, clock, new_id)
            opened.writer.start()
            return cls(opened, clock, resources.pop_all())

    async def read(self, query: Callable[[sa.Connection], T]) -> T:
        """Ask something, off the event loop, on a connection that only reads.

        Raises:
            LedgerError: It could not be read.
        """
        return await asyncio.to_thread(self._read, query)

    async def scrub(self) -> bool:
        """Overwrite what was deleted; false where readers stood in the way this time."""
        return await asyncio.to_thread(self._scrub)

    async def stop(self) -> None:
        """Write what was asked for, and close. Open exchanges are left to the next start."""
        await self._writer.stop()
        self._resources.close()

    def _read(self, query: Callable[[sa.Connection], T]) -> T:
        try:
            with self.engine.readers.connect() as connection:
                return query(connection)
        except self.engine.errors as exc:
            raise LedgerError(f"The ledger could not be read: {self.engine.explain(exc)}.") from exc

    def _scrub(self) -> bool:
        try:
            with self.engine.connect() as connection:
                return self.engine.scrub(connection)
        except self.engine.errors:
            return False


def exists(url: str) -> bool:
    """Whether a ledger is there: opening one that is not makes it."""
    database = sa.make_url(url).database
    return database is not None and Path(database).exists()


def _open(resources: ExitStack, url: str, key_file: Path, clock: Clock, new_id: NewId) -> _Opened:
    engine = _engine(url)
    resources.callback(engine.close)
    try:
        connection = resources.enter_context(engine.connect())
        migrate(engine, connection)
        keyring = _keyring(engine, connection, key_file)
        with ExitStack() as others:
            writer, gone = _identity(engine, connection, clock, new_id)
            resources.callback(gone[writer].release)
            for other in gone.keys() - {writer}:
                others.callback(gone[other].release)
            chain = Chain(writer, keyring, connection.dialect)
            _resume(chain, connection)
            close_orphans(engine, connection, chain, list(gone), clock.now())
        return _Opened(engine, keyring, Writer(engine, connection, chain))
    except engine.errors as exc:
        raise LedgerError(f"The ledger could not be opened: {engine.explain(exc)}.") from exc


def _engine(url: str) -> Engine:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as exc:
        raise LedgerError("The ledger's URL must be like sqlite:///var/ledger.db.") from exc
    make = _ENGINES.get(parsed.get_backend_name())
    if make is None:
        raise LedgerError(
            f"The ledger cannot be kept in {parsed.get_backend_name()}, only in:"
            f" {', '.join(_ENGINES)}."
        )
    return make(parsed)


def _keyring(engine: Engine, connection: sa.Connection, key_file: Path) -> Keyring:
    """The key file's keyring, which must be the one that this ledger began with."""
    connection.exec_driver_sql(engine.begin)
    proof = connection.execute(sa.select(MASTER_KEY.c.proof)).scalar()
    try:
        keyring = read_or_create(key_file, may_create=proof is None)
        if proof is None:
            connection.execute(sa.insert(MASTER_KEY).values(id=1, proof=keyring.proof))
        elif proof != keyring.proof:
            raise LedgerError(
                "The key file is not the one that this ledger began with; bring that one back, or "
                "begin another ledger by 'storage.url'."
            )
    finally:
        connection.exec_driver_sql("COMMIT")
    return keyring


def _identity(
    engine: Engine, connection: sa.Connection, clock: Clock, new_id: NewId
) -> tuple[str, dict[str, Hold]]:
    """Which writer to be, and the holds on all writers that no live process is.

    A writer that is gone is carried on: then one process at a time makes one chain for ever, and
    truncation can only be at its end.
    """
    known = connection.execute(
        sa.select(WRITERS.c.writer).order_by(WRITERS.c.created_at, WRITERS.c.writer)
    ).scalars()
    gone = {writer: hold for writer in known if (hold := engine.hold(writer)) is not None}
    if not gone:
        writer = new_id()
        hold = engine.hold(writer)
        if hold is None:
            raise LedgerError(f"The new writer's id {writer} is another process's; start it again.")
        connection.execute(
            sa.insert(WRITERS).values(writer=writer, created_at=to_micros(clock.now()))
        )
        gone[writer] = hold
    return next(iter(gone)), gone


def _resume(chain: Chain, connection: sa.Connection) -> None:
    entries, checkpoints = ENTRIES.c, CHECKPOINTS.c
    head = connection.execute(
        sa.select(entries.seq, entries.hash)
        .where(entries.writer == chain.writer)
        .order_by(entries.seq.desc())
        .limit(1)
    ).one_or_none()
    checkpoint = connection.execute(
        sa.select(sa.func.max(checkpoints.seq)).where(checkpoints.writer == chain.writer)
    ).scalar()
    if head is not None:
        chain.resume(Head(chain.writer, head.seq, head.hash.hex()), checkpoint or 0)
