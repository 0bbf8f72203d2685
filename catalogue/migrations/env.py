"""Alembic's entry: runs the upgrades on the connection that the program hands over, and on no other."""

from alembic import context

from catalogue.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transaction_per_migration=False
)
with context.begin_transaction():
    context.run_migrations()
