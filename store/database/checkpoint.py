"""Checkpoint SQLite's write-ahead log outside the commits.

By default SQLite checkpoints inside the commit that makes the log too long, and every writer waits meanwhile.
"""

import asyncio
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from store.database.error_translation import translated
from store.engine import BEGIN_OPTION, Store

# PASSIVE: copies the pages it can without waiting for readers or the writer.
_CHECKPOINT: Final = "PRAGMA wal_checkpoint(PASSIVE)"


async def checkpoint(store: Store) -> None:
    """Copy the write-ahead log into the database file, after a large write.

    Does nothing on PostgreSQL. Raises Unavailable.
    """
    if store.engine.dialect.name == "sqlite":
        await asyncio.to_thread(_checkpoint, store)


def _checkpoint(store: Store) -> None:
    try:
        with store.engine.connect() as connection:
            connection.execution_options(**{BEGIN_OPTION: None}).exec_driver_sql(_CHECKPOINT)
    except SQLAlchemyError as error:
        raise translated(error) from error
