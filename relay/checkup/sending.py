"""Whether mail can leave: the provider's credentials, the account, what it may send for, and where it tells of that."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from relay.checkup.finding import Finding, failing, ok, skipped, warning
from relay.errors import CourierBusy, Misconfigured
from relay.outbound.couriers.factory import make_smarthost
from relay.outbound.couriers.smarthost import sign_in
from relay.settings import Settings, master_secret
from relay.signing.events_secret import events_secret
from relay.signing.secrets import master_key

_SECONDS: Final = 10.0  # that one answer of a smarthost may take
_DOORS: Final = {"starttls": "answers by STARTTLS", "tls": "answers by TLS", "none": "answers in clear"}

if TYPE_CHECKING:
    from relay.outbound.couriers.ses.account import SesAccount


async def check_sending(settings: Settings, *, domains: Sequence[str]) -> list[Finding]:
    """What the account of the settings says, of *domains* too; nothing is sent."""
    if settings.outbound == "none":
        return [skipped("sending", "MAILSEAL_OUTBOUND is none")]
    if settings.outbound == "smtp":
        return [await _check_smarthost(settings)]
    return await _check_account(settings, domains) + _check_events(settings)


async def _check_smarthost(settings: Settings) -> Finding:
    where = f"{settings.smtp_out_host}:{settings.smtp_out_port}"
    try:
        smarthost = make_smarthost(settings)
        assert smarthost is not None, "mail leaves by one"
        await asyncio.to_thread(sign_in, replace(smarthost, seconds=_SECONDS))
    except Misconfigured as error:
        return failing("smarthost", str(error), "Set it.")
    except CourierBusy as error:
        return failing("smarthost", f"{error} ({where})", "Check MAILSEAL_SMTP_OUT_…; mail waits until it answers.")
    return ok("smarthost", f"{where} {_DOORS[smarthost.tls]}{' and let us in' if smarthost.username else ''}")


async def _check_account(settings: Settings, domains: Sequence[str]) -> list[Finding]:
    from relay.outbound.couriers.ses.account import read_account  # noqa: PLC0415 (boto3 is dear, and most relays do without)

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


def _check_events(settings: Settings) -> list[Finding]:
    """Where the topic of the settings is to post to; nobody is asked whether it does."""
    name, topic = "SES events", settings.ses_topic_arn
    if topic is None:
        return []
    if settings.public_url is None:
        return [warning(name, f"{topic} cannot post to {settings.base_url}", "Set MAILSEAL_PUBLIC_URL.")]
    secret = settings.ses_events_secret or _made_secret(settings)
    if secret is None:
        return [skipped(name, "without the master key it is not known where the topic is to post to")]
    return [ok(name, f"subscribe {topic} to {settings.base_url}/ses/events/{secret}")]


def _made_secret(settings: Settings) -> str | None:
    """What follows from the master key; None where that cannot be read, for looking must not make one."""
    if settings.secret_key is None and not Path(settings.secret_place).exists():
        return None
    try:
        return events_secret(master_key(master_secret(settings)))
    except Misconfigured:
        return None
