"""An agent writes: the mail is composed, judged by the caps, and kept in one transaction, to go or to wait."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from relay.errors import OutboundOff
from relay.outbound.context import Office
from relay.outbound.local_delivery import outside
from relay.outbound.policy import Caps, Standing, hold_reason
from relay.outbound.sender_checks import require_proved
from relay.outbound.suppressed import require_wanted
from relay.outbound.wire import author_of, compose_draft, keep_ahead
from store.ids import new_message_id
from store.mail.bodies import keep_body
from store.outbound.letters_queue import enqueue_review
from store.outbound.outbound import create_outbound_message, create_pending_outbound_message
from store.outbound.send_limits import (
    count_new_recipients,
    count_written,
    find_new_recipients,
    hold_agent,
    note_recipients,
)
from store.records.mail import Agent
from store.records.outbound import Answered, Draft, NewOutbound, OutboundKind, OutboundMessage, Wire
from store.transaction import Tx

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
log = structlog.get_logger("relay.outbound")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A mail that an agent wants to go out. The recipients are settled (relay/outbound/recipients)."""

    draft: Draft
    kind: OutboundKind = "send"
    answered: Answered | None = None
    conversation_id: str | None = None  # None begins one
    headers: tuple[tuple[str, str], ...] = ()
    familiar: tuple[str, ...] = ()  # whoever wrote first: answering them is not writing to somebody new


class Around(Protocol):
    """What else belongs into the transaction that keeps a mail: see relay/web/access/idempotency.py."""

    def begin(self, tx: Tx) -> None:
        """Raise, and nothing is kept."""
        ...

    def end(self, tx: Tx, message: OutboundMessage) -> None:
        """Note that *message* was kept."""
        ...


async def submit(agent: Agent, wish: Wish, *, by: Office, around: Around | None = None) -> OutboundMessage:
    """Keep *wish* for *agent*: ``queued``, or ``pending_approval`` where a person is asked.

    Raises BadDraft, MailTooLarge; OutboundOff for a recipient that no agent here is, where there is no provider;
    Suppressed; the store's AgentNotFound, DomainUnproven, InvalidValue, Unavailable; and whatever *around* raises.
    """
    goes_out = await _goes_out(wish, by=by)
    new, wire = await _composed(agent, wish, goes_out=goes_out, by=by)

    def unit(tx: Tx) -> OutboundMessage:
        if around is not None:
            around.begin(tx)
        message = _keep(tx, agent, wish, new, wire, by=by)
        if around is not None:
            around.end(tx, message)
        return message

    message = await by.store.write(unit)
    log.info("written", message_id=message.id, agent=agent.address, status=message.status, hold=message.hold_reason)
    return message


async def _goes_out(wish: Wish, *, by: Office) -> bool:
    """Whether anybody of it is no agent of this relay. Raises OutboundOff where they cannot be reached."""
    elsewhere = await by.store.read(lambda tx: outside(tx, wish.draft.everybody, by=by))
    if elsewhere and by.courier is None:
        raise OutboundOff
    return bool(elsewhere)


async def _composed(agent: Agent, wish: Wish, *, goes_out: bool, by: Office) -> tuple[NewOutbound, Wire]:
    message_id, now = new_message_id(), by.clock.now()
    mail_from = await by.senders.shared_from(agent.address) if goes_out else None  # inside it is always their own
    composed = await compose_draft(
        wish.draft,
        author_of(agent.address, agent.name, mail_from=mail_from or agent.address),
        message_id=message_id,
        at=now,
        answered=wish.answered,
        headers=wish.headers,
        by=by,
    )
    wire = await keep_ahead(composed, by=by, now=now)
    new = NewOutbound(
        id=message_id,
        agent=agent.address,
        draft=wish.draft,
        created_at=now,
        kind=wish.kind,
        conversation_id=wish.conversation_id,
        email_message_id=composed.email_message_id,
        headers=wish.headers,
        raw_sha256=wire.sha256,
        raw_size=wire.size,
        mail_from=mail_from,
        answered=wish.answered,
    )
    return new, wire


def _keep(tx: Tx, agent: Agent, wish: Wish, new: NewOutbound, wire: Wire, *, by: Office) -> OutboundMessage:
    everybody, now = wish.draft.everybody, new.created_at
    hold_agent(tx, agent.address)
    agent = require_proved(tx, agent.address)
    assert agent.user_id is not None, "the operator's own agent has no key to send with"
    require_wanted(tx, agent.user_id, everybody)
    reason = hold_reason(_standing(tx, agent, wish, by.caps, now=now), by.caps)
    keep_body(tx, wire.sha256, size=wire.size, content=wire.content, now=now)
    if reason is None:
        note_recipients(tx, agent.address, everybody, now=now)  # of one that is held, once it is sent
        return create_outbound_message(tx, new)
    held = create_pending_outbound_message(tx, replace(new, hold_reason=reason), ttl_seconds=agent.hitl_ttl_seconds)
    enqueue_review(tx, agent.user_id, held.id, held.revision, now=now)
    return held


def _standing(tx: Tx, agent: Agent, wish: Wish, caps: Caps, *, now: datetime) -> Standing:
    """Counted no further than *caps* go."""
    address, lately, replies = agent.address, now - _HOUR, 0
    strangers = [each for each in wish.draft.everybody if each not in wish.familiar]
    new = len(find_new_recipients(tx, address, strangers))
    if new:
        new += count_new_recipients(tx, address, since=now - _DAY, most=caps.new_recipients_per_day)
    if conversation := wish.conversation_id:
        most = caps.replies_per_conversation_hour
        replies = 1 + count_written(tx, address, since=lately, most=most, conversation_id=conversation)
    return Standing(
        asks_first=agent.hitl_enabled,
        sends=1 + count_written(tx, address, since=lately, most=caps.sends_per_hour),
        replies=replies,
        new_recipients=new,
    )
