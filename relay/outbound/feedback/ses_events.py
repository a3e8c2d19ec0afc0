"""Listening to what Amazon SES tells by an SNS topic: each message proved before anything follows from it."""

from dataclasses import dataclass, field

import structlog

from relay.outbound.context import Office
from relay.outbound.feedback.feedback import take_feedback
from relay.outbound.feedback.sns import (
    CONFIRMATION,
    NOTIFICATION,
    Sns,
    check_message,
    confirmation_url,
    parse_sns,
    verify_message,
)

log = structlog.get_logger("relay.outbound")


@dataclass(frozen=True, slots=True, kw_only=True)
class SesEvents:
    """Which topic is listened to, and what that needs."""

    office: Office
    sns: Sns
    topic_arn: str
    secret: str = field(repr=False)  # stands in the path that SNS posts to


async def take_event(body: bytes, *, by: SesEvents) -> None:
    """Take what SNS posts: events, and the word that a subscription of the topic begins or ends.

    Raises UnprovenEvent; SnsUnreachable and Unavailable, after which SNS tries again.
    """
    now = by.office.clock.now()
    message = parse_sns(body)
    check_message(message, topic_arn=by.topic_arn, now=now)
    verify_message(message, await by.sns.certificate(message.certificate_url), now=now)
    if message.kind == NOTIFICATION:
        await take_feedback(message.message, by=by.office)
    elif message.kind == CONFIRMATION:
        await by.sns.confirm(confirmation_url(message))
        log.info("subscription confirmed", topic=message.topic_arn)
    else:
        log.warning("subscription ended", topic=message.topic_arn)
