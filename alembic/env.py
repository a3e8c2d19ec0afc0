"""Run the migrations on the given connection, or on MAILSEAL_DATABASE_URL when the alembic program runs them."""

import os

from alembic import context
from sqlalchemy import Connection

from store.database.connect import open_engine
from store.schema.inbound import metadata

connection = context.config.attributes.get("connection")


def run(on: Connection) -> None:
    context.configure(connection=on, target_metadata=metadata, render_as_batch=on.dialect.name == "sqlite")
    with context.begin_transaction():
        context.run_migrations()


if connection is not None:
    run(connection)
else:
    with open_engine(os.environ["MAILSEAL_DATABASE_URL"]).begin() as own:
        run(own)
