"""Chains, verified a step at a time, for those who want to know while requests are served."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import sqlalchemy as sa

from app.ledger.chained import head_of
from app.ledger.export import read_checkpoints, read_lines
from app.ledger.keyring import signature_checker
from app.ledger.store import Store
from app.ledger.verify import Broken, Intact, Verifier

_STEP_S = 0.2
"""How long a step reads and verifies before it gives way; between steps nothing is done."""
_MOST_WRITERS = 16


@dataclass(frozen=True, slots=True)
class Checked:
    """How far the verification of a writer's chain has come."""

    begun_at: datetime
    done: int
    """Entries that were verified, from the first one on."""
    of: int
    """The last entry that there was when it began."""
    is_signed: bool
    """Whether the signatures of its checkpoints are checked too: none of them lacks one."""
    ended_at: datetime | None = None
    found: Intact | Broken | None = None
    """None while it goes on."""


@dataclass(slots=True)
class _Check:
    verifier: Verifier
    after: tuple[str, int]
    checked: Checked


class Checks:
    """The verifications of this process: one step at a time, of one chain at a time."""

    def __init__(self, store: Store) -> None:
        """Begin with nothing verified."""
        self._store = store
        self._checks: dict[str, _Check] = {}
        self._stepping = asyncio.Lock()

    def of(self, writer: str) -> Checked | None:
        """How far a writer's chain was verified; none where nobody asked for it yet."""
        check = self._checks.get(writer)
        return None if check is None else check.checked

    def begin(self, writer: str) -> None:
        """Have it verified from its first entry on, at the next steps."""
        self._checks.pop(writer, None)

    async def step(self, writer: str) -> Checked | None:
        """Verify some more of a chain, and give way; where another step is made, only say how far.

        Raises:
            LedgerError: It could not be read.
        """
        if self._stepping.locked():
            return self.of(writer)
        async with self._stepping:
            check = self._checks.get(writer)
            if check is None:
                check = await self._store.read(partial(self._begun, writer))
                while len(self._checks) >= _MOST_WRITERS:
                    self._checks.pop(next(iter(self._checks)))
                self._checks[writer] = check
            if check.checked.found is None:
                check.checked = await self._store.read(partial(self._step, writer, check))
            return check.checked

    def _begun(self, writer: str, connection: sa.Connection) -> _Check:
        now = self._store.clock.now()
        lines = read_checkpoints(connection, writer)
        # A checkpoint that was taken before checkpoints were signed is no forgery.
        is_signed = all(b',"signature":"' in line for line in lines)
        checks = signature_checker(self._store.keyring.public_key) if is_signed else None
        verifier = Verifier(at=now, is_signed=checks)
        checked = Checked(now, 0, head_of(connection, writer), is_signed)
        broken = verifier.take(lines)
        if broken is not None:
            checked = replace(checked, ended_at=now, found=broken)
        return _Check(verifier, (writer, 0), checked)

    def _step(self, writer: str, check: _Check, connection: sa.Connection) -> Checked:
        clock = self._store.clock
        ends_s = clock.monotonic() + _STEP_S
        upto = (writer, check.checked.of)
        found: Intact | Broken | None = None
        while found is None and clock.monotonic() < ends_s:
            lines, after = read_lines(connection, check.after, upto)
            found = check.verifier.take(lines)
            if after is None:
                found = found or check.verifier.end()
            else:
                check.after = after
        checked = replace(check.checked, done=check.verifier.entries)
        return checked if found is None else replace(checked, ended_at=clock.now(), found=found)
