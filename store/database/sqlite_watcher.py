"""Poll a SQLite file for commits of other processes: the counterpart of NOTIFY.

``PRAGMA data_version`` changes, on a connection that only reads, whenever another connection commits, and
costs a few microseconds. Only after a change the tables are queried: which agents with waiters have a new
message since the last poll, and which agents and keys were deleted. So the cost does not grow with the number of
idle waiters.
"""

import asyncio
import json
import sqlite3
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Final

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.exc import SQLAlchemyError

from store.engine import BEGIN_OPTION, Store
from store.errors import StoreError
from store.schema.inbound import agents, api_keys
from store.transaction import Tx
from store.wake import INBOX, KEYS

POLL_SECONDS: Final = 0.05
_UNSEEN: Final = -1  # sequence number assumed for an agent without a waiter until now

_place: Final = func.json_each(bindparam("places")).table_valued("key", "value")
_MOVED: Final = (
    select(_place.c.key, agents.c.last_seq)
    .select_from(_place.outerjoin(agents, agents.c.address == _place.c.key))
    .where(agents.c.last_seq.is_distinct_from(_place.c.value))
)
_key: Final = func.json_each(bindparam("keys")).table_valued("value")
_REVOKED: Final = (
    select(_key.c.value)
    .select_from(_key.outerjoin(api_keys, api_keys.c.id == _key.c.value))
    .where(api_keys.c.id.is_(None))
)


def list_changed_agents(tx: Tx, places: Mapping[str, int | None]) -> dict[str, int | None]:
    """Agents whose last sequence number differs from *places*, by address.

    The value is None for a deleted agent.
    """
    rows = tx.execute(_MOVED, {"places": json.dumps(dict(places))})
    return {row.key: row.last_seq for row in rows}


def list_revoked_keys(tx: Tx, key_ids: Collection[str]) -> list[str]:
    """Those of *key_ids* that are no longer API keys."""
    return list(tx.execute(_REVOKED, {"keys": json.dumps(list(key_ids))}).scalars())


class SqliteWatcher:
    """Polls from start() to stop(), while there is at least one waiter."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._places: dict[
            str, int | None
        ] = {}  # last sequence numbers of the agents with waiters, as of the last poll
        self._version: int | None = None  # None: commits may have been missed
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start polling; notifications go to the store's notifier on the running loop."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop polling and close the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._close()

    async def _watch(self) -> None:
        while True:
            await self._store.notifier.wait_for_waiter()
            await asyncio.sleep(POLL_SECONDS)
            with suppress(StoreError):  # retried at the next poll
                await self._poll()

    async def _poll(self) -> None:
        version = self._read_version()
        if version is not None and version == self._version:
            return
        topics = self._store.notifier.topics()
        keys = _named(topics, KEYS)
        places = {address: self._places.get(address, _UNSEEN) for address in _named(topics, INBOX)}
        moved, revoked = await self._store.read(
            lambda tx: (list_changed_agents(tx, places), list_revoked_keys(tx, keys))
        )
        self._version = version
        self._places = places | moved
        self._store.notifier.notify([INBOX + address for address in moved] + [KEYS + key for key in revoked])

    def _read_version(self) -> int | None:
        """The file's data_version, changed by every foreign commit; None on an error."""
        try:
            version, *_ = self._opened().execute("PRAGMA data_version").fetchone()
        except (SQLAlchemyError, sqlite3.Error):
            self._close()
            return None
        return int(version)

    def _opened(self) -> sqlite3.Connection:
        """The driver's own connection: this query runs too often to go through SQLAlchemy."""
        if self._connection is None:
            self._connection = self._store.engine.connect().execution_options(**{BEGIN_OPTION: None})
            self._connection.detach()  # kept out of the pool: it must not wait for locks, pooled ones may
            self._connection.exec_driver_sql("PRAGMA busy_timeout=0")
            self._version = None  # each connection has its own counter
        driven = self._connection.connection.dbapi_connection
        assert isinstance(driven, sqlite3.Connection)
        return driven

    def _close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(SQLAlchemyError):
                connection.close()


def _named(topics: Collection[str], kind: str) -> list[str]:
    return [topic.removeprefix(kind) for topic in topics if topic.startswith(kind)]
