"""Apply provider events to messages: keep them, resolve unconfirmed sends, suppress, tell the agent's webhook.

One transaction an event: each recipient's part is kept; a message that was `unconfirmed` becomes `sent` or `failed`; a
recipient that bounced permanently or complained is suppressed; the agent's webhook gets its event. Only parts that are
new have effects, so an event that comes twice changes nothing the second time.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import structlog

from relay.clock import rfc3339
from relay.outbound.context import SendContext
from relay.outbound.feedback.provider_event import ProviderEvent, RecipientFeedback
from relay.outbound.local_delivery import deliver_locally
from store.errors import MessageNotFound
from store.mail.conversations import normalise_message_id
from store.mail.outbound_events import enqueue_outbound_event
from store.mail.usage import record_usage
from store.names import normalise_or_none
from store.outbound.feedback import find_message_of_attempt, record_feedback
from store.outbound.outbound import get_outbound_message, resolve_outbound_owner
from store.outbound.suppression import keep_suppression
from store.outbound.unconfirmed import confirm_sent, deny_sent
from store.records.feedback import Feedback, FeedbackKind, SuppressionReason
from store.records.outbound import OutboundMessage
from store.transaction import Tx

# The event for the webhook. A delay has none: the message shows it.
_EVENTS: Final[Mapping[FeedbackKind, str]] = {
    "delivered": "email.delivered",
    "bounced": "email.bounced",
    "rejected": "email.bounced",  # by the provider itself, after accepting the message: no recipient gets it
    "complained": "email.complained",
}
log = structlog.get_logger("relay.outbound")


async def apply_event(event: ProviderEvent | None, *, ctx: SendContext) -> None:
    """Apply *event*. None, and an event about no message of this relay, changes nothing. Raises Unavailable."""
    if event is None:
        log.info("feedback_ignored", reason="the event is about no message")
        return
    message_id = await ctx.store.write(lambda tx: settle_event(tx, event, ctx=ctx))
    if message_id is None:
        log.info("feedback_ignored", reason="no message of this relay", kind=event.kind)
        return
    log.info("feedback_recorded", kind=event.kind, message_id=message_id, recipients=len(event.recipients))


def settle_event(tx: Tx, event: ProviderEvent, *, ctx: SendContext) -> str | None:
    """Keep *event* and apply it; return the id of its message, None where that is not of this relay."""
    try:
        message = _find(tx, event)
        owner = resolve_outbound_owner(tx, message.id)
    except MessageNotFound:
        return None
    has_failed = _settle_unconfirmed(tx, message.id, event, ctx=ctx)
    now, kind = ctx.clock.now(), event.kind
    if kind == "accepted":
        return message.id
    new = [part for part in event.recipients if record_feedback(tx, message.id, _row(event, kind, part, now=now))]
    if kind == "bounced" or kind == "complained":  # noqa: PLR1714 (mypy narrows by each alone)
        _suppress(tx, owner, message, new, kind=kind, is_permanent=event.is_permanent, now=now)
    if new and kind in _EVENTS and not has_failed:
        details = _details(event, new, now=now)
        enqueue_outbound_event(tx, message.agent, _EVENTS[kind], message.id, details=details, now=now)
    return message.id


def _find(tx: Tx, event: ProviderEvent) -> OutboundMessage:
    """The message of this relay that *event* is about. Raises MessageNotFound.

    A quoted header alone is no proof: the provider's id must be the one that is kept with the message.
    """
    if event.attempt_id is not None:
        found = find_message_of_attempt(tx, event.attempt_id)
        if found is not None:
            return get_outbound_message(tx, found)
    if event.message_id is not None:
        message = get_outbound_message(tx, event.message_id)
        if message.provider_message_id == normalise_message_id(event.provider_message_id):
            return message
    raise MessageNotFound


def _settle_unconfirmed(tx: Tx, message_id: str, event: ProviderEvent, *, ctx: SendContext) -> bool:
    """Settle a message that the provider may have had; return whether it failed by that, which records its own event.

    A message that the provider rejects reaches no recipient. Any other event proves that the provider has it.
    """
    now = ctx.clock.now()
    if event.attempt_id is None:
        return False
    if event.kind == "rejected":
        detail = next((f": {part.detail}" for part in event.recipients if part.detail), "")
        return deny_sent(tx, message_id, event.attempt_id, f"{event.provider} rejected it{detail}", now=now)
    on_sent = partial(deliver_locally, ctx=ctx)  # the copies for agents of this relay waited for this
    confirm_sent(tx, message_id, event.attempt_id, event.provider_message_id, now=now, on_sent=on_sent)
    return False


def _suppress(
    tx: Tx,
    owner: str,
    message: OutboundMessage,
    recipients: Sequence[RecipientFeedback],
    *,
    kind: SuppressionReason,
    is_permanent: bool,
    now: datetime,
) -> None:
    """Count each bounce or complaint, and suppress the address where it *is_permanent*.

    Only recipients of the message are suppressed: a report's other addresses are the word of the reporting server,
    which any reader of the message could use to cut an address off.
    """
    addressed = {normalise_or_none(address) for address in message.all_recipients}
    about = {"agent": message.agent, "message_id": message.id}
    for part in recipients:
        record_usage(tx, user_id=owner, kind=kind, size=message.raw_size, at=now, **about)
        if is_permanent and part.address is not None and part.address in addressed:
            keep_suppression(tx, owner, part.address, reason=kind, detail=part.detail, message_id=message.id, now=now)


def _row(event: ProviderEvent, kind: FeedbackKind, part: RecipientFeedback, *, now: datetime) -> Feedback:
    return Feedback(
        event_id=event.event_id,
        kind=kind,
        recipient=part.recipient,
        is_permanent=event.is_permanent,
        detail=part.detail,
        at=event.at or now,
    )


def _details(event: ProviderEvent, recipients: Sequence[RecipientFeedback], *, now: datetime) -> dict[str, Any]:
    """The `details` of the webhook's event."""
    return {
        "recipients": [{"address": part.recipient, "detail": part.detail} for part in recipients],
        "permanent": event.is_permanent,
        "at": rfc3339(event.at or now),
    }
