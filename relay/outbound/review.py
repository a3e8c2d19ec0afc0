"""A person agrees, or not, or changes something first: each decision once, about the very bytes that were shown."""

import asyncio
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from relay.errors import RelayError
from relay.outbound.compose.recipients import settle_draft
from relay.outbound.context import SendContext
from relay.outbound.local_delivery import deliver_locally
from relay.outbound.send import hand_over
from relay.outbound.sender_checks import require_not_suppressed
from relay.outbound.wire import compose_again, wire_bytes
from store.errors import SendUnconfirmed, StoreError
from store.outbound.decision import require_seen
from store.outbound.edit import NO_EDIT, PendingApprovalEdit, apply
from store.outbound.handover import approve_and_send, expire_approve_and_send
from store.outbound.holds import amend_pending, expire_reject, reject_pending
from store.outbound.letters_queue import enqueue_review
from store.outbound.outbound import get_outbound_message, get_outbound_message_for_user, read_draft
from store.records.outbound import Draft, ExpiredHold, OutboundMessage, Version, WireBytes
from store.transaction import Tx

T = TypeVar("T")
log = structlog.get_logger("relay.outbound")
# Nobody else holds on to a task that is waited for by somebody who may go away.
_UNDER_WAY: Final[set[asyncio.Task[Any]]] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edit:
    """What a reviewer changes, composed anew; nothing where nothing really changes."""

    edit: PendingApprovalEdit = NO_EDIT
    wire: WireBytes | None = None
    seen: Version | None


async def approve(
    user_id: str,
    message_id: str,
    *,
    edit: PendingApprovalEdit = NO_EDIT,
    reason: str | None = None,
    seen: Version | None = None,
    ctx: SendContext,
) -> OutboundMessage:
    """Approve a held mail of this user's, changed by *edit*, and send it.

    It is ``sent`` when this returns, or ``unconfirmed`` where the provider may have it. Who stops waiting does
    not stop it.

    Raises MessageNotFound, NotPendingApproval for everybody but the first, Outdated when it is not *seen* any
    more, BadDraft for an edit that no mail could be, SendingPaused; and Suppressed, DomainUnproven, CourierRefused,
    CourierBusy or OutboundOff, after which it is pending as before, as *edit* left it.
    """
    composed = await _composed(user_id, message_id, edit, seen, ctx=ctx)
    return await _to_the_end(_approve(user_id, message_id, composed, reason, ctx=ctx))


async def reject(
    user_id: str, message_id: str, *, reason: str | None = None, seen: Version | None = None, ctx: SendContext
) -> OutboundMessage:
    """Say no. Raises MessageNotFound, NotPendingApproval, Outdated, InvalidValue for a reason that is too long."""
    now = ctx.clock.now()
    message = await ctx.store.write(
        lambda tx: reject_pending(tx, user_id, message_id, reason=reason or "", seen=seen, now=now)
    )
    log.info("hold_rejected", message_id=message_id, agent=message.agent, user_id=user_id)
    return message


async def amend(
    user_id: str, message_id: str, edit: PendingApprovalEdit, *, seen: Version | None = None, ctx: SendContext
) -> OutboundMessage:
    """Change a held mail without deciding: a new revision, which older links do not lead to.

    One that changes nothing stays the revision it was. Raises as approve does.
    """
    composed, now = await _composed(user_id, message_id, edit, seen, ctx=ctx), ctx.clock.now()

    def unit(tx: Tx) -> OutboundMessage:
        amended = amend_pending(tx, user_id, message_id, composed.edit, seen=composed.seen, wire=composed.wire, now=now)
        if composed.wire is not None:
            enqueue_review(tx, user_id, message_id, amended.revision, now=now)
        return amended

    message = await ctx.store.write(unit)
    log.info("hold_amended", message_id=message_id, agent=message.agent, user_id=user_id, revision=message.revision)
    return message


async def expire(hold: ExpiredHold, *, ctx: SendContext) -> OutboundMessage:
    """Do what the agent's owner wants done about a hold that nobody decided in time. Raises as approve does."""
    if hold.action == "reject":
        now = ctx.clock.now()
        message = await ctx.store.write(lambda tx: expire_reject(tx, hold.message_id, now=now))
    else:
        message = await _to_the_end(_expire_approve(hold.message_id, ctx=ctx))
    log.info("hold_expired", message_id=hold.message_id, agent=hold.agent, action=hold.action, status=message.status)
    return message


async def _approve(
    user_id: str, message_id: str, composed: _Edit, reason: str | None, *, ctx: SendContext
) -> OutboundMessage:
    sending = approve_and_send(
        ctx.store,
        user_id,
        message_id,
        partial(hand_over, ctx=ctx),
        clock=ctx.clock.now,
        edit=composed.edit,
        seen=composed.seen,
        wire=composed.wire,
        reason=reason,
        on_sent=partial(deliver_locally, ctx=ctx),
        lease=ctx.lease,
    )
    try:
        message = await _sent_or_in_doubt(sending, message_id, ctx=ctx)
    except (RelayError, StoreError):
        if composed.wire is not None:
            await _write_anew(user_id, message_id, composed.wire, ctx=ctx)
        raise
    log.info("hold_approved", message_id=message_id, agent=message.agent, user_id=user_id, status=message.status)
    return message


async def _write_anew(user_id: str, message_id: str, edited: WireBytes, *, ctx: SendContext) -> None:
    """Where an edit has stayed and its mail was not sent: the link in the letter before leads nowhere any more."""
    now = ctx.clock.now()

    def unit(tx: Tx) -> None:
        message = get_outbound_message_for_user(tx, user_id, message_id, now=now)
        if (message.status, message.digest) == ("pending_approval", edited.sha256):
            enqueue_review(tx, user_id, message_id, message.revision, now=now)

    await ctx.store.write(unit)


async def _expire_approve(message_id: str, *, ctx: SendContext) -> OutboundMessage:
    sending = expire_approve_and_send(
        ctx.store,
        message_id,
        partial(hand_over, ctx=ctx),
        clock=ctx.clock.now,
        on_sent=partial(deliver_locally, ctx=ctx),
        lease=ctx.lease,
    )
    return await _sent_or_in_doubt(sending, message_id, ctx=ctx)


async def _sent_or_in_doubt(
    sending: Awaitable[OutboundMessage], message_id: str, *, ctx: SendContext
) -> OutboundMessage:
    """A lost answer is no failure: the message says that nobody knows."""
    try:
        return await sending
    except SendUnconfirmed:
        return await ctx.store.read(lambda tx: get_outbound_message(tx, message_id))


async def _composed(
    user_id: str, message_id: str, edit: PendingApprovalEdit, seen: Version | None, *, ctx: SendContext
) -> _Edit:
    """What *edit* makes of the draft as it is now, whole; bound to that draft, should another edit come between."""
    if edit == NO_EDIT:
        return _Edit(seen=seen)
    now = ctx.clock.now()

    def read(tx: Tx) -> tuple[OutboundMessage, Draft]:
        found = get_outbound_message_for_user(tx, user_id, message_id, now=now)
        return found, read_draft(tx, found)

    message, before = await ctx.store.read(read)
    require_seen(message, seen)
    draft = settle_draft(apply(edit, before)[0], agent=message.agent)
    if draft == before:
        return _Edit(seen=seen)
    await ctx.store.read(lambda tx: require_not_suppressed(tx, user_id, draft.all_recipients))
    composed = await compose_again(message, draft, ctx=ctx)
    wire = await wire_bytes(composed, ctx=ctx, now=now)
    return _Edit(edit=_whole(draft), wire=wire, seen=Version(message.revision, message.digest))


def _whole(draft: Draft) -> PendingApprovalEdit:
    return PendingApprovalEdit(**{field.name: getattr(draft, field.name) for field in fields(draft)})


async def _to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """What *work* answers; it goes on when whoever asked has hung up."""
    task = asyncio.ensure_future(work)
    _UNDER_WAY.add(task)
    task.add_done_callback(_UNDER_WAY.discard)
    return await asyncio.shield(task)
