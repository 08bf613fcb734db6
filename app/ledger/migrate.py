"""Brings a database to the newest tables."""

from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from app.domain.errors import LedgerError
from app.ledger.engine import Engine
from app.ledger.schema import REVISION

_STEPS = Path(__file__).parent / "migrations"


def migrate(engine: Engine, connection: sa.Connection) -> None:
    """Run the steps that are missing, while no other process can.

    Raises:
        LedgerError: The database is of a newer release than this one.
    """
    if _revision(connection) == REVISION:
        return
    connection.exec_driver_sql(engine.begin)
    try:
        found = _revision(connection)
        if found != REVISION:
            _upgrade(connection, found)
        connection.exec_driver_sql("COMMIT")
    except BaseException:
        with suppress(*engine.errors):
            connection.exec_driver_sql("ROLLBACK")
        raise


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def _upgrade(connection: sa.Connection, found: str | None) -> None:
    # Alembic takes longer to load than everything else here, and most starts do not need it.
    from alembic.command import upgrade  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_STEPS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        if found is not None:
            ScriptDirectory.from_config(config).get_revision(found)
        upgrade(config, REVISION)
    except CommandError as exc:
        raise LedgerError(
            f"The ledger's tables are of revision {found}, which this release does not know:"
            " run the release that wrote them, or a newer one."
        ) from exc
