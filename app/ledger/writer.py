"""The one thread that writes: what waits is committed together, with one sync to storage."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

import sqlalchemy as sa

from app.domain.errors import LedgerError
from app.ledger.chain import Chain, Entry
from app.ledger.engine import Engine
from app.ledger.statements import Cursor

_LOG = logging.getLogger(__name__)
_MOST_JOBS = 256

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a task may use while it runs."""

    connection: sa.Connection
    chain: Chain
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """Something other than an entry to write. May run twice; the first run is then undone."""

    run: Callable[[Transaction], T]


@dataclass(frozen=True, slots=True)
class _Job:
    work: Entry | Task[object]
    done: "asyncio.Future[object]"


_Answer = tuple["asyncio.Future[object]", object, BaseException | None]


class Writer:
    """A thread with the connection that writes. Everything else asks it."""

    def __init__(self, engine: Engine, connection: sa.Connection, chain: Chain) -> None:
        """Hold the connection; ``start`` begins."""
        self._engine = engine
        self._connection = connection
        self._cursor: Cursor = connection.connection.cursor()
        self._chain = chain
        self._waiting: list[_Job] = []
        """What is asked for while the thread is at work: handed over together when it is done.
        Waking a thread costs both about as much as what it is woken for."""
        self._is_at_work = False
        self._jobs: SimpleQueue[list[_Job] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write for the loop that is running."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(
            target=self._run, args=(loop,), name="ledger-writer", daemon=True
        )
        self._thread.start()

    async def stop(self) -> None:
        """Write what was asked for so far, then end."""
        thread, self._thread = self._thread, None
        if thread is not None:
            waiting, self._waiting = self._waiting, []
            self._jobs.put(waiting)
            self._jobs.put(None)
            await asyncio.to_thread(thread.join)

    async def keep(self, entry: Entry) -> None:
        """Write an entry; returns when it is durable.

        Raises:
            LedgerError: It is not.
        """
        await self._submit(entry)

    async def do(self, run: Callable[[Transaction], T]) -> T:
        """Run something in a transaction; returns when that is durable.

        Args:
            run: May run twice, where others of the same transaction fail; the first is undone.

        Raises:
            LedgerError: It is not durable. What ``run`` raises is raised here too.
        """
        result: T = await self._submit(Task(run))  # type: ignore[assignment]  # the queue holds all kinds
        return result

    async def _submit(self, work: "Entry | Task[object]") -> object:
        if self._thread is None:
            raise LedgerError(
                "The ledger was stopped, as the gateway is ending; ask again when it runs."
            )
        loop = asyncio.get_running_loop()
        done: asyncio.Future[object] = loop.create_future()
        self._waiting.append(_Job(work, done))
        if not self._is_at_work:
            self._is_at_work = True
            loop.call_soon(self._hand_over)
        return await done

    def _hand_over(self) -> None:
        """Let the thread begin with all that waits."""
        if self._thread is None:
            return
        jobs, self._waiting = self._waiting[:_MOST_JOBS], self._waiting[_MOST_JOBS:]
        self._is_at_work = bool(jobs)
        if jobs:
            self._jobs.put(jobs)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while (jobs := self._jobs.get()) is not None:
            if jobs:
                answers = self._commit(jobs)
                # The loop is gone where a process ends without stopping the ledger; what was asked
                # for is durable all the same.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._resolve, answers)

    def _resolve(self, answers: Sequence[_Answer]) -> None:
        for done, result, error in answers:
            if done.done():
                continue  # whoever asked was cancelled meanwhile
            if error is None:
                done.set_result(result)
            else:
                done.set_exception(error)
        self._hand_over()

    def _commit(self, jobs: Sequence[_Job]) -> list[_Answer]:
        try:
            self._cursor.execute(self._engine.begin)
            answers = self._do(jobs)
            self._cursor.execute("COMMIT")
        except Exception as exc:  # noqa: BLE001  # a thread that dies leaves its callers waiting
            self._undo()
            return self._refuse(jobs, exc)
        checkpoint = self._chain.commit()
        if checkpoint is not None:
            # Logs are commonly kept elsewhere, where this line can prove truncation.
            _LOG.info(
                "ledger checkpoint: writer %s, seq %d, head %s",
                checkpoint.writer,
                checkpoint.seq,
                checkpoint.hash,
            )
        return answers

    def _do(self, jobs: Sequence[_Job]) -> list[_Answer]:
        answers: list[_Answer] = []
        entries = [job.work for job in jobs if not isinstance(job.work, Task)]
        if entries:
            waiting = [job.done for job in jobs if not isinstance(job.work, Task)]
            refusals = self._chain.append(self._cursor, entries)
            answers += [
                (done, None, refusal) for done, refusal in zip(waiting, refusals, strict=True)
            ]
        for job in jobs:
            if isinstance(job.work, Task):
                transaction = Transaction(self._connection, self._chain, self._cursor)
                answers.append((job.done, job.work.run(transaction), None))
        return answers

    def _undo(self) -> None:
        # Where storage is full, the database may have rolled back on its own.
        with suppress(*self._engine.errors):
            self._cursor.execute("ROLLBACK")
        self._chain.rollback()

    def _refuse(self, jobs: Sequence[_Job], error: Exception) -> list[_Answer]:
        is_conflict = isinstance(error, self._engine.conflicts)
        if isinstance(error, self._engine.errors) and not is_conflict:
            what = self._engine.explain(error)
            refusal = LedgerError(f"The ledger could not be written: {what}.")
            refusal.__cause__ = error
            return [(job.done, None, refusal) for job in jobs]
        if len(jobs) > 1:
            # One of them is at fault; each alone tells which.
            return [answer for job in jobs for answer in self._commit([job])]
        if is_conflict:
            error = LedgerError(
                "The ledger has this already: each exchange leaves exactly one record, and no two"
                " processes write as one writer."
            )
        return [(jobs[0].done, None, error)]
