"""The row of Amazon SES: factory, doctor check, DNS records and event source of MAILSEAL_OUTBOUND=ses.

boto3 takes half a second to import, so each function here imports it only when it is called.
"""
# ruff: noqa: PLC0415 (see above)

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from relay.dns.sending_records import SendingRecords
from relay.finding import Finding
from relay.outbound.couriers.courier_kind import CourierKind, DomainSetup
from relay.settings import Settings

if TYPE_CHECKING:
    from relay.metrics import CountBound
    from relay.outbound.context import SendContext
    from relay.outbound.couriers.courier import Courier
    from relay.outbound.couriers.senders import IdentityCheck
    from relay.outbound.feedback.event_source import EventSource

NAME: Final = "ses"


def _make(settings: Settings, count: "CountBound") -> "Courier":
    from relay.outbound.couriers.ses.courier import SesCourier

    return SesCourier(
        region=settings.ses_region,
        endpoint_url=settings.ses_endpoint_url,
        configuration_set=settings.ses_configuration_set,
        count=count,
    )


def _identity_check(settings: Settings) -> "IdentityCheck":
    from relay.outbound.couriers.ses.account import make_identity_check

    return make_identity_check(region=settings.ses_region, endpoint_url=settings.ses_endpoint_url)


async def _check(settings: Settings, domains: Sequence[str]) -> list[Finding]:
    from relay.outbound.couriers.ses.checks import check_ses

    return await check_ses(settings, domains)


def _set_up_domain(settings: Settings, domain: str) -> DomainSetup:
    from relay.outbound.couriers.ses.identity import ensure_identity

    return ensure_identity(domain, region=settings.ses_region, endpoint_url=settings.ses_endpoint_url)


def _event_source(settings: Settings, ctx: "SendContext") -> "EventSource | None":
    if settings.ses_topic_arn is None:
        return None
    from relay.outbound.feedback.event_source import events_secret
    from relay.outbound.feedback.ses_events import SesEventSource
    from relay.outbound.feedback.sns_fetch import SnsClient

    secret = settings.ses_events_secret or events_secret(ctx.master, NAME)
    return SesEventSource(send_context=ctx, sns=SnsClient(), topic_arn=settings.ses_topic_arn, secret=secret)


SES: Final = CourierKind(
    name=NAME,
    make=_make,
    identity_check=_identity_check,
    records=SendingRecords(
        spf="include:amazonses.com",
        dkim_type="CNAME",
        dkim_selector="TOKEN",
        dkim_value="TOKEN.dkim.amazonses.com",
        dkim_note="Amazon SES names three tokens for the domain (Easy DKIM): publish a record for each.",
    ),
    check=_check,
    set_up_domain=_set_up_domain,
    takes_events=True,
    event_source=_event_source,
)
