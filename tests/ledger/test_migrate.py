"""The steps that make the tables."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import app.ledger.migrate
from app.domain.errors import LedgerError
from app.ledger.ledger import Ledger
from app.ledger.schema import METADATA, REVISION
from tests.ledger.exchanges import StandingClock, counting, opening


async def test_the_steps_lead_to_the_tables(ledger: Ledger) -> None:
    """The code expects other tables than the migrations make."""

    def differences(connection: sa.Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), METADATA))

    assert await ledger.store.read(differences) == []


def test_the_newest_step_is_the_one_that_is_asked_for() -> None:
    """A new migration is never run."""
    config = Config()
    config.set_main_option(
        "script_location", str(Path(app.ledger.migrate.__file__).parent / "migrations")
    )
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


async def test_tables_of_a_newer_release_are_left_alone(
    url: str, key_file: Path, clock: StandingClock
) -> None:
    """An older release writes into tables that it does not understand."""
    ledger = await Ledger.start(url, key_file, clock, counting("first"))
    newer = "UPDATE alembic_version SET version_num = '9999'"
    await ledger.store.do(lambda transaction: transaction.connection.exec_driver_sql(newer).close())
    await ledger.stop()
    with pytest.raises(LedgerError, match="9999"):
        await Ledger.start(url, key_file, clock, counting("second"))


async def test_a_second_start_keeps_what_is_there(
    url: str, key_file: Path, clock: StandingClock
) -> None:
    """A restart makes the tables anew."""
    for number in range(2):
        ledger = await Ledger.start(url, key_file, clock, counting("writer"))
        await ledger.open(opening(f"r{number}"))
        await ledger.stop()
    ledger = await Ledger.start(url, key_file, clock, counting("writer"))
    assert await ledger.record("r0", tenant=None) is not None
    await ledger.stop()
