"""What a store has, read past the relay: on a connection of its own, which no fault touches."""

import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sqlalchemy import func, select

from store.database.connect import open_store
from store.engine import Store
from store.errors import Unavailable
from store.outbound.unconfirmed import sweep_unconfirmed
from store.schema.inbound import deliveries, messages
from store.transaction import Tx, Unit

T = TypeVar("T")

_PATIENCE_SECONDS = 60.0  # a PostgreSQL that was killed recovers first
_AT_ONCE = 500
_MARGIN = timedelta(seconds=10)  # a transaction may commit after others whose time is later


class StoredFacts:
    """Reads the facts that a ledger is compared with."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._store: Store = open_store(url)
        self._since = datetime(2000, 1, 1, tzinfo=UTC)

    def close(self) -> None:
        self._store.engine.dispose()

    def there(self, wanted: Collection[str]) -> set[str]:
        """Those of the message ids *wanted* that are in the store."""
        ids = list(wanted)

        def read(tx: Tx) -> set[str]:
            found: set[str] = set()
            for at in range(0, len(ids), _AT_ONCE):
                found |= set(
                    tx.execute(select(messages.c.id).where(messages.c.id.in_(ids[at : at + _AT_ONCE]))).scalars()
                )
            return found

        return self._read(read)

    def done(self) -> tuple[list[str], list[str]]:
        """Event ids recorded as delivered and message ids recorded as read, since the last call and a little before."""
        now = datetime.now(UTC)
        settled = select(deliveries.c.event_id).where(
            deliveries.c.status == "delivered", deliveries.c.settled_at > self._since - _MARGIN
        )
        read = select(messages.c.id).where(messages.c.status == "read")
        found = self._read(lambda tx: (list(tx.execute(settled).scalars()), list(tx.execute(read).scalars())))
        self._since = now
        return found

    def inbound(self) -> Mapping[str, set[str]]:
        """The ids of all received messages by agent."""
        found: dict[str, set[str]] = {}
        query = select(messages.c.agent, messages.c.id).where(messages.c.direction == "inbound")
        for row in self._read(lambda tx: tx.execute(query).all()):
            found.setdefault(row.agent, set()).add(row.id)
        return found

    def twins(self) -> list[tuple[str, str, int]]:
        """Agent, subject and number of received messages that share both; each mail of a run has its own subject."""
        query = (
            select(messages.c.agent, messages.c.subject, func.count().label("times"))
            .where(messages.c.direction == "inbound")
            .group_by(messages.c.agent, messages.c.subject)
            .having(func.count() > 1)
        )
        return [(row.agent, row.subject, row.times) for row in self._read(lambda tx: tx.execute(query).all())]

    def waiting(self) -> tuple[int, int]:
        """How many deliveries are pending, and how many messages poll agents have not acknowledged."""
        pending = select(func.count()).select_from(deliveries).where(deliveries.c.status == "pending")
        queued = select(func.count()).select_from(messages).where(messages.c.queued)
        return self._read(lambda tx: (tx.execute(pending).scalar_one(), tx.execute(queued).scalar_one()))

    def send_statuses(self) -> dict[str, str]:
        """The status of each message that agents wrote; leases that dead daemons left are ended first."""
        later = datetime.now(UTC) + timedelta(hours=1)
        while self._store.run(lambda tx: sweep_unconfirmed(tx, limit=200, now=later)):
            pass
        query = select(messages.c.id, messages.c.status).where(messages.c.direction == "outbound")
        return {row.id: row.status for row in self._read(lambda tx: tx.execute(query).all())}

    def _read(self, unit: Unit[T]) -> T:
        """Run *unit* on one snapshot, as often as it takes until the database answers."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                with self._store.snapshot() as tx:
                    return unit(tx)
            except Unavailable:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
