"""Listening to what Amazon SES tells by an SNS topic: each message proved before anything follows from it."""

from dataclasses import dataclass, field

import structlog

from relay.outbound.context import SendContext
from relay.outbound.feedback.feedback import take_feedback
from relay.outbound.feedback.sns import (
    CONFIRMATION,
    NOTIFICATION,
    SnsApi,
    check_message,
    confirmation_url,
    parse_sns,
    verify_message,
)

log = structlog.get_logger("relay.outbound")


@dataclass(frozen=True, slots=True, kw_only=True)
class SesEvents:
    """Which topic is listened to, and what that needs."""

    send_context: SendContext
    sns: SnsApi
    topic_arn: str
    secret: str = field(repr=False)  # stands in the path that SNS posts to


async def take_event(body: bytes, *, ctx: SesEvents) -> None:
    """Take what SNS posts: events, and the word that a subscription of the topic begins or ends.

    Raises UnprovenEvent; SnsUnreachable and Unavailable, after which SNS tries again.
    """
    now = ctx.send_context.clock.now()
    message = parse_sns(body)
    check_message(message, topic_arn=ctx.topic_arn, now=now)
    verify_message(message, await ctx.sns.certificate(message.certificate_url), now=now)
    if message.kind == NOTIFICATION:
        await take_feedback(message.message, ctx=ctx.send_context)
    elif message.kind == CONFIRMATION:
        await ctx.sns.confirm(confirmation_url(message))
        log.info("sns_subscription_confirmed", topic=message.topic_arn)
    else:
        log.warning("sns_subscription_ended", topic=message.topic_arn)
