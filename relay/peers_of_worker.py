"""Connect one worker's store and metrics with those of its peers."""

from collections.abc import Iterable

import structlog

from relay.clock import Clock
from relay.metrics import Metrics
from relay.peer_bus import PeerBus
from relay.tasks import TaskSet
from store.engine import Store
from store.errors import StoreError, words_of
from store.mail.deliveries import end_first_claims
from store.outbound.unconfirmed import end_leases
from store.wake import DELIVERIES, LETTERS, SENDING

# The process that commits works these off itself; its peers' sweeps find what is left.
_OWN = (DELIVERIES, SENDING, LETTERS)
log = structlog.get_logger("relay.workers")


class Peers:
    """The other workers, as the daemon of one worker sees them; from start() to stop()."""

    def __init__(self, bus: PeerBus, store: Store, metrics: Metrics, *, clock: Clock) -> None:
        self._bus = bus
        self._store = store
        self._clock = clock
        self._tasks = TaskSet()
        bus.snapshot = metrics.snapshot
        bus.on_wake = self._wake
        bus.on_lost = self._take_over

    def start(self) -> None:
        """Begin, on the running loop."""
        self._store.notifier.subscribe(self._tell)
        self._bus.start()

    async def stop(self) -> None:
        """End; what a dead worker left is taken over before."""
        self._bus.stop()
        await self._tasks.drain(1.0)

    def _tell(self, topics: frozenset[str]) -> None:
        self._bus.wake([topic for topic in topics if not topic.startswith(_OWN)])

    def _wake(self, topics: Iterable[str] | None) -> None:
        if topics is None:
            self._store.notifier.wake_all()
        else:
            self._store.notifier.notify(topics)

    def _take_over(self, mark: str) -> None:
        if not self._tasks.is_closed:
            self._tasks.spawn(self._end_claims(mark))

    async def _end_claims(self, mark: str) -> None:
        """Make due what a worker that has died had claimed: webhook deliveries now, sends for the next sweep."""
        now = self._clock.now()
        try:
            await self._store.write(lambda tx: end_leases(tx, now=now, mark=mark))
            found = await self._store.write(lambda tx: end_first_claims(tx, now=now, mark=mark))
        except StoreError as error:  # they fall due with their leases
            log.warning("claims_not_taken_over", error=words_of(error))
            return
        log.info("claims_taken_over", agents=len(found))
