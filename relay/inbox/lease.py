"""The poll queue: lease messages, then ack, nack or extend them.

See docs/contract.md §6.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import Any, Final, Protocol

from relay.clock import Clock, rfc3339
from relay.events.inbound import message_data
from relay.inbox.read import ON_LOOP_BYTES
from relay.inbox.wait import never_left, wait_for
from relay.threads import read_whole
from store.engine import Store
from store.errors import LeaseLost
from store.mail import queue
from store.mail.bodies import read_body
from store.records.mail import Lease
from store.transaction import Tx

LOOK_AGAIN_SECONDS: Final = 5.0  # while another worker holds a lease
_LEAST_PAUSE_SECONDS: Final = 0.05


class AnswerBytes(Protocol):
    """The bytes that the answer of one request holds until it is sent."""

    async def take(self, amount: int) -> None:
        """Hold *amount* bytes instead of those held before, once there is room for them. May raise."""

    def settle(self, amount: int) -> None:
        """Hold *amount* bytes instead, as the answer turned out."""


@dataclass(frozen=True, slots=True)
class _Look:
    leases: Sequence[Lease]
    again_after: float  # seconds until another worker's lease may expire, which no commit announces


async def lease(
    agent: str,
    *,
    limit: int,
    lease_seconds: int,
    wait_seconds: float,
    base_url: str,
    store: Store,
    clock: Clock,
    has_left: Callable[[], Awaitable[bool]] = never_left,
    held: AnswerBytes | None = None,
) -> list[dict[str, Any]]:
    """Lease up to *limit* messages, oldest first, with their content, of about MAX_LEASE_BYTES together.

    Waits up to *wait_seconds* for the first.
    While a lease lasts, no other worker gets its message. *held* bounds the bytes of all answers under way.
    """

    async def look() -> _Look:
        now, until = clock.now(), timedelta(seconds=lease_seconds)
        if held is not None:
            await held.take(queue.MAX_LEASE_BYTES)
        found = await store.write(lambda tx: _lease(tx, agent, limit=limit, lease=until, now=now))
        if held is not None:
            held.settle(sum(lease.message.raw_size for lease in found.leases))
        return found

    found = await wait_for(
        look,
        lambda look: bool(look.leases),
        agent=agent,
        wait_seconds=wait_seconds,
        notifier=store.notifier,
        has_left=has_left,
        again=lambda look: look.again_after,
    )
    return [await _item(lease, base_url=base_url, store=store) for lease in found.leases]


async def ack(agent: str, receipts: Sequence[str], *, store: Store, now: datetime) -> dict[str, bool]:
    """Remove leased messages from the queue.

    Returns for each receipt whether its lease was still valid.
    """
    return await _settle(receipts, lambda tx, receipt: queue.ack(tx, agent, receipt, now=now), store=store)


async def nack(
    agent: str, receipts: Sequence[str], *, delay_seconds: int, store: Store, now: datetime
) -> dict[str, bool]:
    """Return leased messages to the queue, visible after *delay_seconds*.

    Returns the same as ``ack``.
    """
    delay = timedelta(seconds=delay_seconds)
    return await _settle(
        receipts, lambda tx, receipt: queue.nack(tx, agent, receipt, delay=delay, now=now), store=store
    )


async def extend(
    agent: str, receipts: Sequence[str], *, lease_seconds: int, store: Store, now: datetime
) -> dict[str, bool]:
    """Extend leases to *lease_seconds* from now. Returns the same as ``ack``."""
    longer = timedelta(seconds=lease_seconds)
    return await _settle(
        receipts, lambda tx, receipt: queue.extend(tx, agent, receipt, lease=longer, now=now), store=store
    )


def _lease(tx: Tx, agent: str, *, limit: int, lease: timedelta, now: datetime) -> _Look:
    leases = queue.lease_messages(tx, agent, limit=limit, lease=lease, now=now)
    next_at = None if leases else queue.next_visible_at(tx, agent, now=now)
    if next_at is None:
        return _Look(leases, inf)
    return _Look(leases, min(max(_LEAST_PAUSE_SECONDS, (next_at - now).total_seconds()), LOOK_AGAIN_SECONDS))


async def _settle(receipts: Sequence[str], settle: Callable[[Tx, str], None], *, store: Store) -> dict[str, bool]:
    """Settle each receipt in one transaction; a lost lease does not affect the others."""

    def unit(tx: Tx) -> dict[str, bool]:
        return {receipt: _still_held(tx, receipt, settle) for receipt in receipts}

    return await store.write(unit)


def _still_held(tx: Tx, receipt: str, settle: Callable[[Tx, str], None]) -> bool:
    try:
        settle(tx, receipt)
    except LeaseLost:
        return False
    return True


async def _item(leased: Lease, *, base_url: str, store: Store) -> dict[str, Any]:
    read = store.read_on_loop if leased.message.raw_size <= ON_LOOP_BYTES else store.read
    raw = await read(lambda tx: read_body(tx, leased.message.raw_sha256))
    data = await read_whole(raw, lambda: message_data(leased.message, raw, base_url=base_url))
    return {
        "receipt": leased.receipt,
        "attempt": leased.attempt,
        "lease_expires_at": rfc3339(leased.expires_at),
        "message": data,
    }
