"""Whether mail can leave: the provider's credentials, the account, and what it may send for."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from relay.checkup.finding import Finding, failing, ok, skipped, warning
from relay.errors import CourierBusy, Misconfigured
from relay.settings import Settings

if TYPE_CHECKING:
    from relay.outbound.ses_account import SesAccount


async def check_sending(settings: Settings, *, domains: Sequence[str]) -> list[Finding]:
    """What the account of the settings says, of *domains* too; nothing is sent."""
    if settings.outbound == "none":
        return [skipped("sending", "MAILSEAL_OUTBOUND is none")]
    if settings.outbound == "smtp":
        return [skipped("sending", "a smarthost is not signed in to", "Send a mail to yourself.")]
    from relay.outbound.ses_account import read_account  # noqa: PLC0415 (boto3 is dear, and most relays do without)

    asked = [settings.outbound_from_domain] if settings.outbound_from_domain else []
    asked += [domain for domain in domains if domain not in asked]
    try:
        account = await asyncio.to_thread(
            read_account, region=settings.ses_region, endpoint_url=settings.ses_endpoint_url, domains=asked
        )
    except Misconfigured as error:
        return [failing("SES", str(error), "Set it.")]
    except CourierBusy as error:
        remedy = "Check the credentials that boto3 finds, and that they allow ses:GetAccount and ses:GetEmailIdentity."
        return [failing("SES", str(error), remedy)]
    findings = [_account(account)]
    remedy = "Make it an identity of SES and publish its DKIM records."
    return findings + [warning(f"SES {domain}", "not proved to SES", remedy) for domain in account.unproved]


def _account(account: "SesAccount") -> Finding:
    if not account.may_send:
        return failing("SES", "the account may not send now", "Read what AWS has written to its owner.")
    if not account.in_production:
        return warning("SES", "the account is in the sandbox", "Ask AWS for production access.")
    return ok("SES", "the account may send")
