"""Doctor checks of Amazon SES: the account, the domains that it sends for, and where its topic posts events.

Importing this imports boto3, which takes half a second.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from relay.errors import CourierBusy, Misconfigured
from relay.finding import Finding, failing, ok, skipped, warning
from relay.master_files import read_master
from relay.outbound.couriers.ses.account import SesAccount, read_account
from relay.outbound.feedback.event_source import events_secret
from relay.settings import Settings

_NAME: Final = "SES"
_EVENTS: Final = "SES events"


async def check_ses(settings: Settings, domains: Sequence[str]) -> list[Finding]:
    """Check the account of the settings, and whether it sends for *domains*. Sends no mail."""
    return await _check_account(settings, domains) + _check_events(settings)


async def _check_account(settings: Settings, domains: Sequence[str]) -> list[Finding]:
    shared = [settings.outbound_from_domain] if settings.outbound_from_domain else []
    checked = shared + [domain for domain in domains if domain not in shared]
    try:
        account = await asyncio.to_thread(
            read_account, region=settings.ses_region, endpoint_url=settings.ses_endpoint_url, domains=checked
        )
    except Misconfigured as error:
        return [failing(_NAME, str(error), "Set it.")]
    except CourierBusy as error:
        remedy = "Check the credentials that boto3 finds, and that they allow ses:GetAccount and ses:GetEmailIdentity."
        return [failing(_NAME, str(error), remedy)]
    remedy = "Run `mailseal domain sending DOMAIN` and publish the DKIM records that it shows."
    unverified = [warning(f"SES {domain}", "not verified at SES", remedy) for domain in account.unverified]
    return [_account(account), *unverified]


def _account(account: SesAccount) -> Finding:
    if not account.may_send:
        return failing(_NAME, "the account may not send now", "Read what AWS has written to its owner.")
    if not account.in_production:
        return warning(_NAME, "the account is in the sandbox", "Ask AWS for production access.")
    return ok(_NAME, "the account may send")


def _check_events(settings: Settings) -> list[Finding]:
    """The address that the topic must post to. Whether the topic does is not checked."""
    topic = settings.ses_topic_arn
    if topic is None:
        return []
    if settings.public_url is None:
        return [warning(_EVENTS, f"{topic} cannot post to {settings.base_url}", "Set MAILSEAL_PUBLIC_URL.")]
    secret = settings.ses_events_secret or _derived_secret(settings)
    if secret is None:
        return [skipped(_EVENTS, "the address that the topic must post to depends on the master key, which is missing")]
    return [ok(_EVENTS, f"subscribe {topic} to {settings.base_url}/ses/events/{secret}")]


def _derived_secret(settings: Settings) -> str | None:
    """The secret that follows from the master key; None where that cannot be read. Never makes a master key."""
    if not settings.has_master_secret:
        return None
    try:
        return events_secret(read_master(settings), "ses")
    except Misconfigured:
        return None
