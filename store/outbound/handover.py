"""Sending a held message exactly once: claim, the caller's send, settle (contract §8).

The one place where the store awaits somebody else. No lock and no transaction is held meanwhile: the
claim is committed before the send begins, and what became of it is committed afterwards. A process
killed in between leaves ``sending``, which store/outbound/sending.py's sweep makes ``unconfirmed``.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from store.engine import Store
from store.errors import SendUnconfirmed, StoreError, Unavailable
from store.outbound.edit import NO_EDIT, PendingApprovalEdit
from store.outbound.sending import (
    LEASE,
    OnSent,
    claim_approved,
    claim_expired,
    settle_failed,
    settle_sent,
    settle_unconfirmed,
)
from store.records.outbound import OutboundMessage, Outgoing, Version, WireBytes
from store.transaction import Tx, Unit

Send = Callable[[Outgoing], Awaitable[str]]
"""Hands a mail to the provider and answers the provider's message id.

Raises SendUnconfirmed when the provider may have taken it all the same; any other exception says that
it certainly did not.
"""

Failed = Callable[[Tx, Exception], OutboundMessage]

# Not that it failed, but that nobody knows: the request was on its way.
_IN_DOUBT: Final = (SendUnconfirmed, TimeoutError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
_SETTLE_AGAIN_SECONDS: Final = (0.05, 0.2, 1.0, 5.0)


async def approve_and_send(
    store: Store,
    user_id: str,
    message_id: str,
    send: Send,
    *,
    clock: Callable[[], datetime],
    edit: PendingApprovalEdit = NO_EDIT,
    seen: Version | None = None,
    wire: WireBytes | None = None,
    reason: str | None = None,
    on_sent: OnSent | None = None,
    lease: timedelta = LEASE,
) -> OutboundMessage:
    """Approve a pending message of this user, changed by *edit*, and send it; it is ``sent`` when this returns.

    With *seen*, only what the reviewer looked at; *wire* is what the edited draft was composed to. *on_sent* is done
    in the transaction that makes it sent.

    Raises MessageNotFound, NotPendingApproval for everybody but the first, Outdated, SendingPaused, InvalidValue
    for an edit that no mail could be; and what *send* raised, after which the message is pending as before with the
    error kept, or ``unconfirmed`` when the provider may have it.
    """
    outgoing = await store.write(
        lambda tx: claim_approved(
            tx, user_id, message_id, edit=edit, seen=seen, wire=wire, reason=reason, lease=lease, now=clock()
        )
    )
    return await carry_out(outgoing, send, store=store, clock=clock, on_sent=on_sent)


async def expire_approve_and_send(
    store: Store,
    message_id: str,
    send: Send,
    *,
    clock: Callable[[], datetime],
    on_sent: OnSent | None = None,
    lease: timedelta = LEASE,
) -> OutboundMessage:
    """Send a hold whose time is over; it is ``expired_approved`` when this returns.

    Raises like approve_and_send. After a failed send it is pending a little longer, and ``failed`` after the last.
    """
    outgoing = await store.write(lambda tx: claim_expired(tx, message_id, lease=lease, now=clock()))
    return await carry_out(outgoing, send, store=store, clock=clock, on_sent=on_sent)


async def carry_out(
    outgoing: Outgoing,
    send: Send,
    *,
    store: Store,
    clock: Callable[[], datetime],
    on_sent: OnSent | None = None,
    failed: Failed | None = None,
) -> OutboundMessage:
    """Send what was claimed and write down what became of it; raises on what *send* raised.

    SendUnconfirmed is raised too for what the provider has and nobody could write down: its lease makes it that.

    *failed* writes down that it certainly did not go out, in another way than settle_failed does.
    """
    try:
        provider_message_id = await send(outgoing)
    except _IN_DOUBT as error:
        told = _words(error)
        with suppress(StoreError):  # in the end its lease says the same
            await _settle(store, lambda tx: settle_unconfirmed(tx, outgoing, told, now=clock()))
        raise
    except Exception as error:
        cause = error  # the name of an except clause ends with it
        settle = failed or (lambda tx, error: settle_failed(tx, outgoing, _words(error), now=clock()))
        await _settle(store, lambda tx: settle(tx, cause))
        raise
    try:
        return await _settle(
            store, lambda tx: settle_sent(tx, outgoing, provider_message_id, now=clock(), on_sent=on_sent)
        )
    except StoreError as error:
        raise SendUnconfirmed(f"it was sent, which could not be written down: {error}") from error


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


async def _settle(store: Store, unit: Unit[OutboundMessage]) -> OutboundMessage:
    """Write down what became of a send, whoever stops waiting for it; a database that is away is asked again."""
    return await asyncio.shield(asyncio.ensure_future(_insist(store, unit)))


async def _insist(store: Store, unit: Unit[OutboundMessage]) -> OutboundMessage:
    for seconds in _SETTLE_AGAIN_SECONDS:
        try:
            return await store.write(unit)
        except Unavailable:
            await asyncio.sleep(seconds)
    return await store.write(unit)
