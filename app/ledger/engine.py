"""What the ledger needs of a database, beyond what SQL says. One module for each engine."""

from typing import Protocol

import sqlalchemy as sa


class Hold(Protocol):
    """A writer's identity, held by this process alone."""

    def release(self) -> None:
        """Give it back. A process that dies gives it back too, however it dies."""
        ...


class Engine(Protocol):
    """A database."""

    begin: str
    """The statement that begins a transaction which may write, waiting for others that do."""
    readers: sa.Engine
    """Connections that only read."""
    errors: tuple[type[Exception], ...]
    """All that a statement may raise, through SQLAlchemy or on the driver's own cursor."""
    conflicts: tuple[type[Exception], ...]
    """Those of them that say: what was to be written is there already."""

    def connect(self) -> sa.Connection:
        """A connection that may write. It commits only what ``COMMIT`` is said to."""
        ...

    def hold(self, writer: str) -> Hold | None:
        """Take a writer's identity; ``None`` where a live process has it."""
        ...

    def scrub(self, connection: sa.Connection) -> bool:
        """Overwrite what was deleted; false where readers stood in the way this time."""
        ...

    def generation(self) -> bytes:
        """A token that differs after any process called ``advance``. Costs about a microsecond."""
        ...

    def advance(self) -> None:
        """Tell every process that what it remembers of the pseudonyms may be out of date."""
        ...

    def explain(self, error: BaseException) -> str:
        """What went wrong and what to do, in words that hold no data."""
        ...

    def close(self) -> None:
        """Give back the connections that read."""
        ...
