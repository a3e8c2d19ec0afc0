"""Bringing SQLite's write-ahead log back into its file, apart from the commits.

By itself SQLite does it in the commit that makes the log too long, and everybody waits meanwhile.
"""

import asyncio
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from store.database.error_translation import translated
from store.engine import BEGIN_OPTION, Store

# Copies what it can beside readers and the writer, and waits for none of them.
_CHECKPOINT: Final = "PRAGMA wal_checkpoint(PASSIVE)"


async def checkpoint(store: Store) -> None:
    """Copy the log into the file, for whoever has just written a lot; nothing on PostgreSQL. Raises Unavailable."""
    if store.engine.dialect.name == "sqlite":
        await asyncio.to_thread(_checkpoint, store)


def _checkpoint(store: Store) -> None:
    try:
        with store.engine.connect() as connection:
            connection.execution_options(**{BEGIN_OPTION: None}).exec_driver_sql(_CHECKPOINT)
    except SQLAlchemyError as error:
        raise translated(error) from error
