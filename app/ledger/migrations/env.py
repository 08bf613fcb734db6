"""Alembic's entry: runs the steps on the connection that it is given, in its transaction."""

from alembic import context

from app.ledger.schema import METADATA

# The transaction, with its lock against other processes, is the caller's.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=False,
)
context.run_migrations()
