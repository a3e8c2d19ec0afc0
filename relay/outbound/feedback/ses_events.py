"""Take the events that Amazon SES publishes to an SNS topic: each post is verified before it is applied."""

from dataclasses import dataclass, field

import structlog

from relay.outbound.context import SendContext
from relay.outbound.couriers.ses.events import parse_event
from relay.outbound.feedback.feedback import apply_event
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
class SesEventSource:
    """The events of one SNS topic, an EventSource."""

    send_context: SendContext
    sns: SnsApi
    topic_arn: str
    secret: str = field(repr=False)  # in the path that SNS posts to

    async def take(self, body: bytes) -> None:
        """Take a post of SNS: an event, or the start or end of the topic's subscription.

        Raises UnprovenEvent; SnsUnreachable and Unavailable, after which SNS tries again.
        """
        now = self.send_context.clock.now()
        message = parse_sns(body)
        check_message(message, topic_arn=self.topic_arn, now=now)
        verify_message(message, await self.sns.certificate(message.certificate_url), now=now)
        if message.kind == NOTIFICATION:
            await apply_event(parse_event(message.message), ctx=self.send_context)
        elif message.kind == CONFIRMATION:
            await self.sns.confirm(confirmation_url(message))
            log.info("sns_subscription_confirmed", topic=message.topic_arn)
        else:
            log.warning("sns_subscription_ended", topic=message.topic_arn)
