"""A process that records exchanges as fast as it can until it is killed.

It writes a line to standard output after each entry that was acknowledged. Run as
``python -m tests.ledger.killed <url> <key file> <prefix of ids>``.
"""

import asyncio
import os
import sys
from pathlib import Path

from app.ledger.ledger import Ledger
from tests.ledger.exchanges import StandingClock, closing, counting, opening

_AT_ONCE = 16


async def main(url: str, key_file: str, prefix: str) -> None:
    """Open and close exchanges for ever; every fifth stays open."""
    clock = StandingClock()
    new_id = counting(prefix)
    ledger = await Ledger.start(url, Path(key_file), clock, new_id)

    async def record() -> None:
        while True:
            request_id = new_id()
            await ledger.open(opening(request_id, at=clock.at))
            os.write(1, f"open {request_id}\n".encode())
            if not request_id.endswith(("0", "5")):
                await ledger.close(closing(request_id, at=clock.at))
                os.write(1, f"close {request_id}\n".encode())

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_AT_ONCE):
            tasks.create_task(record())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
