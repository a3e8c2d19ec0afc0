"""Submit a message of an agent: compose it, check the limits, and keep it in one transaction, queued or held."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from relay.errors import OutboundOff
from relay.outbound.context import SendContext
from relay.outbound.local_delivery import outside
from relay.outbound.policy import Caps, SendCounts, hold_reason
from relay.outbound.sender_checks import require_not_suppressed, require_verified_domain
from relay.outbound.wire import author_of, compose_draft, wire_bytes
from store.directory.reserved import is_relays_local, looks_like_relay
from store.errors import InvalidValue
from store.ids import new_message_id
from store.mail.bodies import keep_body
from store.outbound.letters_queue import enqueue_review
from store.outbound.outbound import create_outbound_message, create_pending_outbound_message
from store.outbound.send_limits import (
    count_new_recipients,
    count_sent_since,
    count_user_new_recipients,
    count_user_sent_since,
    find_new_recipients,
    lock_agent,
    lock_user,
    record_recipients,
)
from store.records.mail import Agent
from store.records.outbound import AnsweredMessage, Draft, NewOutbound, OutboundKind, OutboundMessage, WireBytes
from store.transaction import Tx

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
log = structlog.get_logger("relay.outbound")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundRequest:
    """A mail that an agent wants to go out. The recipients are settled (relay/outbound/compose/recipients.py)."""

    draft: Draft
    kind: OutboundKind = "send"
    answered: AnsweredMessage | None = None
    conversation_id: str | None = None  # None: a new one
    headers: tuple[tuple[str, str], ...] = ()
    familiar: tuple[str, ...] = ()  # addresses that wrote to the agent: they do not count as new recipients


class UnitOfWorkHook(Protocol):
    """Work in the same transaction that keeps a message: see relay/web/access/idempotency.py."""

    def begin(self, tx: Tx) -> None:
        """Runs first; what it raises undoes the transaction."""
        ...

    def end(self, tx: Tx, message: OutboundMessage) -> None:
        """Note that *message* was kept."""
        ...


async def submit(
    agent: Agent, request: OutboundRequest, *, ctx: SendContext, hook: UnitOfWorkHook | None = None
) -> OutboundMessage:
    """Keep *request* for *agent*: ``queued``, or ``pending_approval`` where a reviewer decides.

    Raises BadDraft, MailTooLarge; OutboundOff for a recipient that no agent here is, where there is no provider;
    Suppressed; the store's AgentNotFound, DomainUnproven, InvalidValue, Unavailable; and what *hook* raises.
    """
    goes_out = await _goes_out(request, ctx=ctx)
    new, wire = await _composed(agent, request, goes_out=goes_out, ctx=ctx)

    def unit(tx: Tx) -> OutboundMessage:
        if hook is not None:
            hook.begin(tx)
        message = _keep(tx, agent, request, new, wire, ctx=ctx)
        if hook is not None:
            hook.end(tx, message)
        return message

    message = await ctx.store.write(unit)
    facts = {"agent": agent.address, "status": message.status, "hold": message.hold_reason}
    log.info("outbound_created", message_id=message.id, **facts)
    return message


async def _goes_out(request: OutboundRequest, *, ctx: SendContext) -> bool:
    """Whether a recipient is no agent of this relay. Raises OutboundOff where there is no courier for it."""
    elsewhere = await ctx.store.read(lambda tx: outside(tx, request.draft.all_recipients, ctx=ctx))
    if elsewhere and ctx.courier is None:
        raise OutboundOff
    return bool(elsewhere)


async def _composed(
    agent: Agent, request: OutboundRequest, *, goes_out: bool, ctx: SendContext
) -> tuple[NewOutbound, WireBytes]:
    message_id, now = new_message_id(), ctx.clock.now()
    # Local recipients see the agent's own address.
    mail_from = await ctx.senders.shared_from(agent.address) if goes_out else None
    name = "" if looks_like_relay(agent.name) else agent.name  # given before such names were refused
    composed = await compose_draft(
        request.draft,
        author_of(agent.address, name, mail_from=mail_from or agent.address),
        message_id=message_id,
        at=now,
        answered=request.answered,
        headers=request.headers,
        ctx=ctx,
    )
    wire = await wire_bytes(composed, ctx=ctx, now=now)
    new = NewOutbound(
        id=message_id,
        agent=agent.address,
        draft=request.draft,
        created_at=now,
        kind=request.kind,
        conversation_id=request.conversation_id,
        email_message_id=composed.email_message_id,
        headers=request.headers,
        raw_sha256=wire.sha256,
        raw_size=wire.size,
        mail_from=mail_from,
        answered=request.answered,
    )
    return new, wire


def _keep(
    tx: Tx, agent: Agent, request: OutboundRequest, new: NewOutbound, wire: WireBytes, *, ctx: SendContext
) -> OutboundMessage:
    all_recipients, now = request.draft.all_recipients, new.created_at
    if agent.user_id is not None and ctx.caps.user_sends_per_hour + ctx.caps.user_new_recipients_per_day:
        lock_user(tx, agent.user_id)
    lock_agent(tx, agent.address)
    agent = require_verified_domain(tx, agent.address)
    if is_relays_local(agent.address.rpartition("@")[0]):  # made before the address was reserved
        raise InvalidValue(f"{agent.address} is an address of this relay: an agent cannot send from it")
    assert agent.user_id is not None, "the operator's own agent has no key to send with"
    require_not_suppressed(tx, agent.user_id, all_recipients)
    reason = hold_reason(_counts(tx, agent, request, ctx.caps, now=now), ctx.caps)
    keep_body(tx, wire.sha256, size=wire.size, content=wire.content, now=now)
    if reason is None:
        record_recipients(tx, agent.address, all_recipients, now=now)  # of one that is held, once it is sent
        return create_outbound_message(tx, new)
    held = create_pending_outbound_message(tx, replace(new, hold_reason=reason), ttl_seconds=agent.hitl_ttl_seconds)
    enqueue_review(tx, agent.user_id, held.id, held.revision, now=now)
    return held


def _counts(tx: Tx, agent: Agent, request: OutboundRequest, caps: Caps, *, now: datetime) -> SendCounts:
    """The agent's counts with *request* included, each up to its cap."""
    address, lately, replies = agent.address, now - _HOUR, 0
    assert agent.user_id is not None, "the operator's own agent has no key to send with"
    unfamiliar = [each for each in request.draft.all_recipients if each not in request.familiar]
    new = user_new = len(find_new_recipients(tx, address, unfamiliar))
    if new:
        new += count_new_recipients(tx, address, since=now - _DAY, most=caps.new_recipients_per_day)
        most = caps.user_new_recipients_per_day
        user_new += count_user_new_recipients(tx, agent.user_id, since=now - _DAY, most=most)
    if conversation := request.conversation_id:
        most = caps.replies_per_conversation_hour
        replies = 1 + count_sent_since(tx, address, since=lately, most=most, conversation_id=conversation)
    return SendCounts(
        asks_first=agent.hitl_enabled,
        sends=1 + count_sent_since(tx, address, since=lately, most=caps.sends_per_hour),
        replies=replies,
        new_recipients=new,
        user_sends=1 + count_user_sent_since(tx, agent.user_id, since=lately, most=caps.user_sends_per_hour),
        user_new_recipients=user_new,
    )
