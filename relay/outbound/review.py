"""Approve, reject, edit or expire held messages: each decision once, about the bytes that the reviewer saw."""

import asyncio
from dataclasses import dataclass, fields

import structlog

from relay.errors import RelayError
from relay.outbound.compose.recipients import settle_draft
from relay.outbound.context import SendContext
from relay.outbound.send import make_handover
from relay.outbound.sender_checks import require_not_suppressed
from relay.outbound.wire import compose_again, wire_bytes
from store.errors import SendUnconfirmed, StoreError
from store.outbound.edit import NO_EDIT, PendingApprovalEdit, apply
from store.outbound.handover import approve_and_send, expire_approve_and_send
from store.outbound.holds import amend_pending, expire_reject, reject_pending, require_seen
from store.outbound.letters_queue import enqueue_review
from store.outbound.outbound import get_outbound_message, get_outbound_message_for_user, read_draft
from store.records.outbound import Draft, ExpiredHold, OutboundMessage, Version, WireBytes
from store.transaction import Tx

log = structlog.get_logger("relay.outbound")


@dataclass(frozen=True, slots=True, kw_only=True)
class _ComposedEdit:
    """A reviewer's edit with the bytes composed from it; NO_EDIT without bytes where the draft stays the same."""

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
    """Approve a held message of this user, changed by *edit*, and send it.

    It is ``sent`` when this returns, or ``unconfirmed`` where the provider may have it. A cancelled caller does not
    cancel the send: it goes on in ``ctx.tasks``.

    Raises MessageNotFound; NotPendingApproval for all decisions but the first; Outdated when the message is not
    *seen* any more; BadDraft for an edit that cannot be a mail; SendingPaused; Stopping. Raises Suppressed,
    DomainUnproven, CourierRefused, CourierBusy or OutboundOff, and the message stays pending with the edit.
    """
    composed = await _compose_edit(user_id, message_id, edit, seen, ctx=ctx)
    return await asyncio.shield(ctx.tasks.spawn(_approve(user_id, message_id, composed, reason, ctx=ctx)))


async def reject(
    user_id: str, message_id: str, *, reason: str | None = None, seen: Version | None = None, ctx: SendContext
) -> OutboundMessage:
    """Reject a held message of this user; it is not sent.

    Raises MessageNotFound, NotPendingApproval, Outdated, InvalidValue for a reason that is too long.
    """
    now = ctx.clock.now()
    message = await ctx.store.write(
        lambda tx: reject_pending(tx, user_id, message_id, reason=reason or "", seen=seen, now=now)
    )
    log.info("hold_rejected", message_id=message_id, agent=message.agent, user_id=user_id)
    return message


async def amend(
    user_id: str, message_id: str, edit: PendingApprovalEdit, *, seen: Version | None = None, ctx: SendContext
) -> OutboundMessage:
    """Edit a held message without a decision: a new revision, and links to older revisions stop working.

    An edit without effect keeps the revision. Raises as approve does.
    """
    composed, now = await _compose_edit(user_id, message_id, edit, seen, ctx=ctx), ctx.clock.now()

    def unit(tx: Tx) -> OutboundMessage:
        amended = amend_pending(tx, user_id, message_id, composed.edit, seen=composed.seen, wire=composed.wire, now=now)
        if composed.wire is not None:
            enqueue_review(tx, user_id, message_id, amended.revision, now=now)
        return amended

    message = await ctx.store.write(unit)
    log.info("hold_amended", message_id=message_id, agent=message.agent, user_id=user_id, revision=message.revision)
    return message


async def expire(hold: ExpiredHold, *, ctx: SendContext) -> OutboundMessage:
    """Carry out the expiry action of the agent's owner: reject or send. Raises as approve does."""
    if hold.action == "reject":
        now = ctx.clock.now()
        message = await ctx.store.write(lambda tx: expire_reject(tx, hold.message_id, now=now))
    else:
        message = await asyncio.shield(ctx.tasks.spawn(_expire_approve(hold.message_id, ctx=ctx)))
    log.info("hold_expired", message_id=hold.message_id, agent=hold.agent, action=hold.action, status=message.status)
    return message


async def _approve(
    user_id: str, message_id: str, composed: _ComposedEdit, reason: str | None, *, ctx: SendContext
) -> OutboundMessage:
    try:
        message = await approve_and_send(
            ctx.store,
            user_id,
            message_id,
            make_handover(ctx),
            clock=ctx.clock.now,
            edit=composed.edit,
            seen=composed.seen,
            wire=composed.wire,
            reason=reason,
            lease=ctx.lease,
        )
    except SendUnconfirmed:
        message = await ctx.store.read(lambda tx: get_outbound_message(tx, message_id))
    except (RelayError, StoreError):
        if composed.wire is not None:
            await _request_review_again(user_id, message_id, composed.wire, ctx=ctx)
        raise
    log.info("hold_approved", message_id=message_id, agent=message.agent, user_id=user_id, status=message.status)
    return message


async def _request_review_again(user_id: str, message_id: str, edited: WireBytes, *, ctx: SendContext) -> None:
    """Send a new review letter when an edit was kept and the send failed: the link in the old letter is dead."""
    now = ctx.clock.now()

    def unit(tx: Tx) -> None:
        message = get_outbound_message_for_user(tx, user_id, message_id, now=now)
        if (message.status, message.digest) == ("pending_approval", edited.sha256):
            enqueue_review(tx, user_id, message_id, message.revision, now=now)

    await ctx.store.write(unit)


async def _expire_approve(message_id: str, *, ctx: SendContext) -> OutboundMessage:
    try:
        return await expire_approve_and_send(
            ctx.store, message_id, make_handover(ctx), clock=ctx.clock.now, lease=ctx.lease
        )
    except SendUnconfirmed:
        return await ctx.store.read(lambda tx: get_outbound_message(tx, message_id))


async def _compose_edit(
    user_id: str, message_id: str, edit: PendingApprovalEdit, seen: Version | None, *, ctx: SendContext
) -> _ComposedEdit:
    """Apply *edit* to the current draft and compose it; the result is bound to the version it was read from."""
    if edit == NO_EDIT:
        return _ComposedEdit(seen=seen)
    now = ctx.clock.now()

    def read(tx: Tx) -> tuple[OutboundMessage, Draft]:
        found = get_outbound_message_for_user(tx, user_id, message_id, now=now)
        return found, read_draft(tx, found)

    message, before = await ctx.store.read(read)
    require_seen(message, seen)
    draft = settle_draft(apply(edit, before)[0], agent=message.agent)
    if draft == before:
        return _ComposedEdit(seen=seen)
    await ctx.store.read(lambda tx: require_not_suppressed(tx, user_id, draft.all_recipients))
    composed = await compose_again(message, draft, ctx=ctx)
    wire = await wire_bytes(composed, ctx=ctx, now=now)
    version = Version(message.revision, message.digest, message.approval_digest)
    return _ComposedEdit(edit=_whole(draft), wire=wire, seen=version)


def _whole(draft: Draft) -> PendingApprovalEdit:
    return PendingApprovalEdit(**{field.name: getattr(draft, field.name) for field in fields(draft)})
