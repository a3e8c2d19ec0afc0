"""Send a claimed message exactly once: claim, hand over, settle (docs/contract.md §8).

The one place where the store awaits its caller's code. No lock and no transaction is held meanwhile: the claim is
committed before the hand-over begins, the outcome is committed after it. A process killed in between leaves
``sending``; the sweep in store/outbound/unconfirmed.py makes that ``unconfirmed``.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
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
"""Hand a message over to the provider and return the provider's message id.

Raises SendUnconfirmed when the provider may have accepted the message all the same. Any other exception means that
the provider certainly has not.
"""
OnFailed = Callable[[Tx, Outgoing, Exception], OutboundMessage]
"""Settle an attempt that certainly did not hand the message over, with the exception that Send raised."""

# Errors after which the provider may have the message: the request had been sent.
_IN_DOUBT: Final = (SendUnconfirmed, TimeoutError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
_RETRY_SECONDS: Final = (0.05, 0.2, 1.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """How a claimed message is handed over, and what is committed together with the outcome."""

    hand_over: Send  # outside of any transaction
    on_sent: OnSent | None = None  # in the transaction that makes the message sent, before its content is removed
    on_failed: OnFailed | None = None  # in place of settle_failed


async def approve_and_send(
    store: Store,
    user_id: str,
    message_id: str,
    send: Send | Handover,
    *,
    clock: Callable[[], datetime],
    edit: PendingApprovalEdit = NO_EDIT,
    seen: Version | None = None,
    wire: WireBytes | None = None,
    reason: str | None = None,
    lease: timedelta = LEASE,
) -> OutboundMessage:
    """Approve a pending message of this user, changed by *edit*, and send it; it is ``sent`` when this returns.

    *seen*: approve only this version. *wire*: the bytes composed from the edited draft. A plain *send* is a Handover
    without hooks.

    Raises MessageNotFound; NotPendingApproval for all approvals but the first; Outdated; SendingPaused; InvalidValue
    for an edit that cannot be a mail; and what *send* raised. After that the message is pending as before, with the
    error kept, or ``unconfirmed`` when the provider may have it.
    """
    outgoing = await store.write(
        lambda tx: claim_approved(
            tx, user_id, message_id, edit=edit, seen=seen, wire=wire, reason=reason, lease=lease, now=clock()
        )
    )
    return await carry_out(outgoing, send, store=store, clock=clock)


async def expire_approve_and_send(
    store: Store, message_id: str, send: Send | Handover, *, clock: Callable[[], datetime], lease: timedelta = LEASE
) -> OutboundMessage:
    """Send a hold that has expired; the message is ``expired_approved`` when this returns.

    Raises as approve_and_send does. After a failed send the message is pending a little longer; after the last it has
    ``failed``.
    """
    outgoing = await store.write(lambda tx: claim_expired(tx, message_id, lease=lease, now=clock()))
    return await carry_out(outgoing, send, store=store, clock=clock)


async def carry_out(
    outgoing: Outgoing, send: Send | Handover, *, store: Store, clock: Callable[[], datetime]
) -> OutboundMessage:
    """Hand a claimed message over and settle its attempt. Raises what the hand-over raised.

    Raises SendUnconfirmed also when the provider has the message and the database did not take the outcome: the end
    of the lease makes the message ``unconfirmed``.
    """
    handover = send if isinstance(send, Handover) else Handover(hand_over=send)
    try:
        provider_message_id = await handover.hand_over(outgoing)
    except _IN_DOUBT as error:
        text = _text(error)
        with suppress(StoreError):  # otherwise the end of the lease has the same effect
            await _settle(store, lambda tx: settle_unconfirmed(tx, outgoing, text, now=clock()))
        raise
    except Exception as error:
        cause, on_failed = error, handover.on_failed  # the except clause deletes its name at its end
        if on_failed is None:
            await _settle(store, lambda tx: settle_failed(tx, outgoing, _text(cause), now=clock()))
        else:
            await _settle(store, lambda tx: on_failed(tx, outgoing, cause))
        raise
    try:
        return await _settle(
            store, lambda tx: settle_sent(tx, outgoing, provider_message_id, now=clock(), on_sent=handover.on_sent)
        )
    except StoreError as error:
        raise SendUnconfirmed(f"the message was sent, but the database did not take the outcome: {error}") from error


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__


async def _settle(store: Store, unit: Unit[OutboundMessage]) -> OutboundMessage:
    """Commit an outcome, also when the caller is cancelled meanwhile; an unavailable database is asked again."""
    return await asyncio.shield(asyncio.ensure_future(_commit(store, unit)))


async def _commit(store: Store, unit: Unit[OutboundMessage]) -> OutboundMessage:
    for seconds in _RETRY_SECONDS:
        try:
            return await store.write(unit)
        except Unavailable:
            await asyncio.sleep(seconds)
    return await store.write(unit)
