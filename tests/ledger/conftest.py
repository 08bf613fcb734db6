"""Ledgers to test, on every engine there is."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.ledger.ledger import Ledger
from tests.ledger.exchanges import StandingClock, counting


@pytest.fixture(params=["sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each engine."""
    return {"sqlite": f"sqlite:///{tmp_path / 'ledger.db'}"}[request.param]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Where the master key will be."""
    return tmp_path / "ledger.key"


@pytest.fixture
def clock() -> StandingClock:
    """What time it is."""
    return StandingClock()


@pytest.fixture
async def ledger(url: str, key_file: Path, clock: StandingClock) -> AsyncIterator[Ledger]:
    """An empty ledger."""
    made = await Ledger.start(url, key_file, clock, counting("writer"))
    yield made
    await made.stop()
