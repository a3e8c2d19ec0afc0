"""Ask an SES account whether it may send, and for which domains (API v2).

Importing this imports boto3, which takes half a second.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from relay.errors import CourierBusy
from relay.outbound.couriers.senders import IdentityCheck
from relay.outbound.couriers.ses.client import ses_client

_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class SesAccount:
    """One account in one region."""

    may_send: bool
    in_production: bool  # otherwise it sends to verified addresses only
    unverified: tuple[str, ...]  # of the domains asked about, those that SES does not send for


def read_account(*, region: str | None, endpoint_url: str | None, domains: Sequence[str]) -> SesAccount:
    """Read the account with boto3's own credentials; each request takes 5 s at most.

    Raises CourierBusy with the provider's words, and Misconfigured without a region.
    """
    client = ses_client(region=region, endpoint_url=endpoint_url, connect_seconds=_SECONDS, read_seconds=_SECONDS)
    try:
        account = client.get_account()
        return SesAccount(
            may_send=bool(account.get("SendingEnabled")),
            in_production=bool(account.get("ProductionAccessEnabled")),
            unverified=tuple(domain for domain in domains if not _is_verified(client, domain)),
        )
    except (BotoCoreError, ClientError) as error:
        raise CourierBusy(f"SES: {error}") from error
    finally:
        client.close()


def make_identity_check(*, region: str | None, endpoint_url: str | None) -> IdentityCheck:
    """Make the check whether the account sends mail from a domain. Raises Misconfigured without a region."""
    client = ses_client(region=region, endpoint_url=endpoint_url, connect_seconds=_SECONDS, read_seconds=_SECONDS)

    async def is_verified(domain: str) -> bool:
        try:
            return await asyncio.to_thread(_is_verified, client, domain)
        except (BotoCoreError, ClientError) as error:
            raise CourierBusy(f"SES: {error}") from error

    return is_verified


def _is_verified(client: Any, domain: str) -> bool:
    try:
        return bool(client.get_email_identity(EmailIdentity=domain).get("VerifiedForSendingStatus"))
    except client.exceptions.NotFoundException:
        return False
