"""The Record law: exactly one record, durable before anything leaves, and no change unseen."""

import asyncio
import hashlib
import io
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing as closing_after
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain.errors import LedgerError
from app.domain.record import Status
from app.ledger.ledger import Ledger
from app.ledger.records import RecordFilter
from app.ledger.verify import Broken, Damage, Intact, verify
from tests.ledger.exchanges import NOON, StandingClock, closing, counting, opening

_KILLS = (1, 40, 300, 90)
"""How many acknowledgements to wait for before each kill."""


def entries_on_disk(folder: Path) -> set[tuple[str, str]]:
    """What another process can read: the request and kind of every committed entry."""
    with closing_after(sqlite3.connect(folder / "ledger.db")) as connection:
        return set(connection.execute("SELECT request_id, kind FROM entries"))


async def start(folder: Path, writer: str) -> Ledger:
    """A ledger in a folder."""
    url = f"sqlite:///{folder / 'ledger.db'}"
    return await Ledger.start(url, folder / "ledger.key", StandingClock(), counting(writer))


async def test_entries_are_committed_before_anything_follows(tmp_path: Path) -> None:
    """The model is called, or the answer ends, before the entry can be read by others."""
    ledger = await start(tmp_path, "writer")
    await ledger.open(opening("r1"))
    when_called = entries_on_disk(tmp_path)
    await ledger.close(closing("r1"))
    when_ended = entries_on_disk(tmp_path)
    assert when_called == {("r1", "opening")}
    assert when_ended == {("r1", "opening"), ("r1", "closing")}
    await ledger.stop()


@pytest.mark.parametrize("kind", ["opening", "closing"])
async def test_nothing_follows_while_an_entry_cannot_commit(tmp_path: Path, kind: str) -> None:
    """An entry is acknowledged while another process still holds up its commit."""
    ledger = await start(tmp_path, "writer")
    await ledger.open(opening("r1"))
    order: list[str] = []

    async def record() -> None:
        if kind == "opening":
            await ledger.open(opening("r2"))
        else:
            await ledger.close(closing("r1"))
        order.append("acknowledged")

    with closing_after(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(record())
            # Reading takes a thread's round trip each: time enough for a commit that does not wait.
            for _ in range(5):
                await ledger.record("r1", tenant=None)
            order.append("released")
            other.execute("ROLLBACK")
    assert order == ["released", "acknowledged"]
    await ledger.stop()


def kill_under_load(folder: Path, prefix: str, acknowledgements: int) -> list[tuple[str, str]]:
    """Run a recording process, kill it in the middle, and say what it had acknowledged."""
    command = [sys.executable, "-m", "tests.ledger.killed"]
    arguments = [f"sqlite:///{folder / 'ledger.db'}", str(folder / "ledger.key"), prefix]
    root = Path(__file__).parents[2]
    with subprocess.Popen(  # noqa: S603  # this interpreter, and a module of ours
        [*command, *arguments], stdout=subprocess.PIPE, cwd=root
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledgements)]
        os.kill(process.pid, signal.SIGKILL)
        lines += process.stdout.readlines()
    said = [line.decode().split() for line in lines if line.endswith(b"\n")]
    assert len(said) >= acknowledgements
    return [(request_id, kind) for kind, request_id in said]


async def test_a_killed_process_loses_no_acknowledged_entry(tmp_path: Path) -> None:
    """Killing the process loses a record, leaves one open for ever, or breaks a chain."""
    bystander = await start(tmp_path, "bystander")
    await bystander.open(opening("beside"))
    acknowledged: list[tuple[str, str]] = []
    for number, acknowledgements in enumerate(_KILLS):
        acknowledged += await asyncio.to_thread(
            kill_under_load, tmp_path, f"kill{number}", acknowledgements
        )
    ledger = await start(tmp_path, "last")
    assert isinstance(await ledger.verify(), Intact)
    statuses: dict[str, Status | None] = {}
    cursor = None
    while True:
        page = await ledger.records(RecordFilter(None, limit=1000, cursor=cursor))
        for record in page.records:
            assert record.request_id not in statuses
            statuses[record.request_id] = record.status
        if (cursor := page.cursor) is None:
            break
    assert statuses.pop("beside") is None
    assert set(statuses.values()) == {Status.COMPLETED, Status.CUT_OFF}
    closed = {request_id for request_id, kind in acknowledged if kind == "close"}
    opened = {request_id for request_id, kind in acknowledged if kind == "open"}
    assert opened <= set(statuses)
    assert {statuses[request_id] for request_id in closed} == {Status.COMPLETED}
    left_open = {request_id for request_id in opened if request_id.endswith(("0", "5"))}
    assert {statuses[request_id] for request_id in left_open} <= {Status.CUT_OFF}
    await bystander.close(closing("beside"))
    await bystander.stop()
    await ledger.stop()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], list[bytes]]:
    """An export of two chains with an erasure in it, and the checkpoints of their heads."""
    folder = tmp_path_factory.mktemp("exported")

    async def record() -> tuple[list[bytes], list[bytes]]:
        first = await start(folder, "a")
        second = await start(folder, "b")
        for number in range(6):
            ledger = second if number % 3 else first
            await ledger.open(opening(f"r{number}", subject=f"s{number % 2}", session="one"))
            await ledger.close(closing(f"r{number}"))
        await first.erase_subject("acme", "s0")
        lines = [line async for line in first.export()]
        heads = await first.checkpoint()
        await first.stop()
        await second.stop()
        return lines, heads

    return asyncio.run(record())


def with_a_fitting_hash(line: bytes) -> bytes:
    """A line as whoever changed it would mend it."""
    start_of_body = line.find(b":{")
    if start_of_body < 0 or not line.endswith(b"}}"):
        return line
    body = line[start_of_body + 1 : -1]
    digest = hashlib.sha256(body).hexdigest().encode()
    return line[:9] + digest + line[73:]


@st.composite
def changes(draw: st.DrawFn, lines: list[bytes]) -> list[bytes]:
    """The lines with something changed, removed, repeated or moved."""
    changed = list(lines)
    at = draw(st.integers(0, len(lines) - 1))
    what = draw(st.sampled_from(["byte", "mended", "insert", "cut", "remove", "repeat", "move"]))
    line = bytearray(changed[at])
    byte = draw(st.integers(0, len(line) - 1))
    if what in {"byte", "mended"}:
        line[byte] = draw(st.integers(0, 255))
        changed[at] = with_a_fitting_hash(bytes(line)) if what == "mended" else bytes(line)
    elif what == "insert":
        line[byte:byte] = draw(st.binary(min_size=1, max_size=4))
        changed[at] = bytes(line)
    elif what == "cut":
        del line[byte : byte + draw(st.integers(1, 40))]
        changed[at] = bytes(line)
    elif what == "remove":
        del changed[at : at + draw(st.integers(1, len(lines)))]
    elif what == "repeat":
        changed.insert(draw(st.integers(0, len(lines))), changed[at])
    else:
        changed.insert(draw(st.integers(0, len(lines) - 1)), changed.pop(at))
    return changed


@settings(deadline=None, max_examples=2500)
@given(data=st.data())
def test_every_change_of_an_export_is_found(
    exported: tuple[list[bytes], list[bytes]], data: st.DataObject
) -> None:
    """A changed, removed, repeated or moved line passes for a sound export."""
    lines, heads = exported
    changed = data.draw(changes(lines))
    assume(changed != lines)
    # Read as a file is, so that a line end that was put in makes two lines.
    file = io.BytesIO(b"".join(line + b"\n" for line in changed))
    assert isinstance(verify(file, at=NOON, checkpoints=heads), Broken)


@settings(deadline=None)
@given(data=st.data())
def test_truncation_is_found_against_a_checkpoint(
    exported: tuple[list[bytes], list[bytes]], data: st.DataObject
) -> None:
    """The end of a chain can be cut off without notice, in spite of a checkpoint."""
    lines, heads = exported
    writer = data.draw(st.sampled_from([b'"writer":"a-000001"', b'"writer":"b-000001"']))
    groups: list[list[bytes]] = []
    for line in lines:
        if b'","entry":' in line[:90]:
            groups.append([])
        groups[-1].append(line)
    own = [group for group in groups if writer in group[0]]
    kept = data.draw(st.integers(0, len(own) - 1))
    cut = [group for group in groups if group not in own[kept:]]
    left = [line for group in cut for line in group]
    assert isinstance(verify(left, at=NOON), Intact)
    found = verify(left, at=NOON, checkpoints=heads)
    assert isinstance(found, Broken)
    assert (found.damage, found.seq) == (Damage.TRUNCATED, kept + 1)
    assert found.writer.encode() in writer


def test_erasing_a_person_keeps_the_chain_valid(
    exported: tuple[list[bytes], list[bytes]],
) -> None:
    """Erasure breaks the chain, or leaves no entry that says it was done."""
    lines, heads = exported
    found = verify(lines, at=NOON, checkpoints=heads)
    assert isinstance(found, Intact)
    assert (found.entries, found.checkpoints) == (13, 2)
    assert sum(b'"kind":"erasure"' in line for line in lines) == 1


@settings(deadline=None, max_examples=30)
@given(
    steps=st.lists(st.tuples(st.sampled_from(["open", "close"]), st.integers(0, 5)), max_size=40)
)
def test_each_exchange_leaves_exactly_one_record(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    """A second opening or closing is taken, or a closing without an opening, at any overlap."""
    folder = tmp_path_factory.mktemp("steps")

    async def attempt(ledger: Ledger, step: str, which: int) -> bool:
        try:
            if step == "open":
                await ledger.open(opening(f"r{which}"))
            else:
                await ledger.close(closing(f"r{which}"))
        except LedgerError:
            return False
        return True

    async def run() -> None:
        ledger = await start(folder, "writer")
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(attempt(ledger, step, which)) for step, which in steps]
        state: dict[int, str] = {}
        for (step, which), task in zip(steps, asked, strict=True):
            # Entries are taken in the order in which they were asked for.
            allowed = which not in state if step == "open" else state.get(which) == "open"
            assert task.result() == allowed
            if allowed:
                state[which] = step
        page = await ledger.records(RecordFilter(None))
        assert len(page.records) == len(state)
        for record in page.records:
            is_open = state[int(record.request_id[1:])] == "open"
            assert (record.status is None) == is_open
        assert isinstance(await ledger.verify(), Intact)
        await ledger.stop()

    asyncio.run(run())


async def test_many_exchanges_at_once_leave_one_record_each(tmp_path: Path) -> None:
    """Under load a record is lost or doubled."""
    ledger = await start(tmp_path, "writer")

    async def exchange(number: int) -> None:
        await ledger.open(opening(f"r{number}"))
        await ledger.close(closing(f"r{number}"))

    async with asyncio.TaskGroup() as tasks:
        for number in range(600):
            tasks.create_task(exchange(number))
    page = await ledger.records(RecordFilter(None, status=Status.COMPLETED, limit=1000))
    assert {record.request_id for record in page.records} == {f"r{n}" for n in range(600)}
    assert len(page.records) == 600
    found = await ledger.verify(await ledger.checkpoint())
    assert isinstance(found, Intact)
    assert found.entries == 1200
    await ledger.stop()
