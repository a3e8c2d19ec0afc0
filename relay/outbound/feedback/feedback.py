"""What a provider tells of a mail afterwards, kept and passed on.

One transaction an event: each recipient's part is kept, a mail whose sending was in doubt is settled, who bounced for
good or complained is not written to any more, and the agent's webhook is told. All of it hangs on what was new, so an
event that comes twice changes nothing the second time.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import structlog

from relay.clock import rfc3339
from relay.outbound.context import SendContext
from relay.outbound.couriers.ses.events import RecipientFeedback, SesEvent, parse_event
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

# What an agent may want to know; that a mail is late stands at the message.
_EVENTS: Final[Mapping[FeedbackKind, str]] = {
    "delivered": "email.delivered",
    "bounced": "email.bounced",
    "rejected": "email.bounced",  # by the provider itself, after it had taken the mail: it goes to nobody
    "complained": "email.complained",
}
log = structlog.get_logger("relay.outbound")


async def take_feedback(text: str, *, ctx: SendContext) -> None:
    """Act on what SES published. What is no event of a mail of ours is passed over. Raises Unavailable."""
    event = parse_event(text)
    if event is None:
        log.info("feedback_ignored", reason="the event is about no message")
        return
    message_id = await ctx.store.write(lambda tx: settle_event(tx, event, ctx=ctx))
    if message_id is None:
        log.info("feedback_ignored", reason="no message of this relay", kind=event.kind)
        return
    log.info("feedback_recorded", kind=event.kind, message_id=message_id, recipients=len(event.recipients))


def settle_event(tx: Tx, event: SesEvent, *, ctx: SendContext) -> str | None:
    """Keep an event and do what follows; the id of the message it is about, None where that is none of ours."""
    try:
        message = _find(tx, event)
        owner = resolve_outbound_owner(tx, message.id)
    except MessageNotFound:
        return None
    has_failed = _settle_doubt(tx, message.id, event, ctx=ctx)
    now, kind = ctx.clock.now(), event.kind
    if kind == "accepted":
        return message.id
    new = [told for told in event.recipients if record_feedback(tx, message.id, _row(event, kind, told, now=now))]
    if kind == "bounced" or kind == "complained":  # noqa: PLR1714 (mypy narrows by each alone)
        _hold_back(tx, owner, message, new, kind=kind, for_good=event.is_permanent, now=now)
    if new and kind in _EVENTS and not has_failed:
        enqueue_outbound_event(tx, message.agent, _EVENTS[kind], message.id, details=_details(event, new, now=now), now=now)
    return message.id


def _find(tx: Tx, event: SesEvent) -> OutboundMessage:
    """The mail of ours that an event is about. Raises MessageNotFound.

    A header alone proves nothing: the id that SES gave the mail must be the one that is kept with it.
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


def _settle_doubt(tx: Tx, message_id: str, event: SesEvent, *, ctx: SendContext) -> bool:
    """Settle a mail of which nobody knew whether SES has it; whether it has failed by that, and is told so.

    What SES rejects goes to nobody. All else that it tells of a mail is proof that it has it.
    """
    now = ctx.clock.now()
    if event.attempt_id is None:
        return False
    if event.kind == "rejected":
        words = next((f"SES rejected it: {told.detail}" for told in event.recipients if told.detail), "SES rejected it")
        return deny_sent(tx, message_id, event.attempt_id, words, now=now)
    inside = partial(deliver_locally, ctx=ctx)  # agents here had to wait for this
    confirm_sent(tx, message_id, event.attempt_id, event.provider_message_id, now=now, on_sent=inside)
    return False


def _hold_back(
    tx: Tx,
    owner: str,
    message: OutboundMessage,
    recipients: Sequence[RecipientFeedback],
    *,
    kind: SuppressionReason,
    for_good: bool,
    now: datetime,
) -> None:
    """Count who bounced or complained, and have them written to no more where that is *for_good*.

    Only whom the mail went to: the rest of a report is the word of whoever wrote it, which may be any reader of the
    mail's who would have somebody else cut off.
    """
    wrote_to = {normalise_or_none(address) for address in message.all_recipients}
    about = {"agent": message.agent, "message_id": message.id}
    for told in recipients:
        record_usage(tx, user_id=owner, kind=kind, size=message.raw_size, at=now, **about)
        if for_good and told.address is not None and told.address in wrote_to:
            keep_suppression(tx, owner, told.address, reason=kind, detail=told.detail, message_id=message.id, now=now)


def _row(event: SesEvent, kind: FeedbackKind, told: RecipientFeedback, *, now: datetime) -> Feedback:
    return Feedback(
        event_id=event.event_id,
        kind=kind,
        recipient=told.recipient,
        is_permanent=event.is_permanent,
        detail=told.detail,
        at=event.at or now,
    )


def _details(event: SesEvent, recipients: Sequence[RecipientFeedback], *, now: datetime) -> dict[str, Any]:
    """What the webhook is told beside the message."""
    return {
        "recipients": [{"address": told.recipient, "detail": told.detail} for told in recipients],
        "permanent": event.is_permanent,
        "at": rfc3339(event.at or now),
    }
