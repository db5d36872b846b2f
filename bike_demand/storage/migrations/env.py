"""Alembic's entry: one transaction for all steps, on the URL that `migrate` passes."""

import sqlalchemy as sa
from alembic import context

from bike_demand.storage.tables import METADATA

engine = sa.create_engine(context.config.attributes["url"], poolclass=sa.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
