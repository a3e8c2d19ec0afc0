"""What an SES account says of itself: whether it may send, and for which domains. API v2.

Importing this costs half a second, like relay/outbound/ses.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from relay.errors import CourierBusy
from relay.outbound.couriers.senders import AskProvider
from relay.outbound.couriers.ses.client import ses_client

_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class SesAccount:
    """One account in one region."""

    may_send: bool
    in_production: bool  # else it sends to proved addresses alone
    unproved: tuple[str, ...]  # of the domains asked about, those that SES will not send for


def read_account(*, region: str | None, endpoint_url: str | None, domains: Sequence[str]) -> SesAccount:
    """Ask, with boto3's own credentials; takes 5 s a question at most.

    Raises CourierBusy with the provider's words, and Misconfigured without a region.
    """
    client = ses_client(region=region, endpoint_url=endpoint_url, connect_seconds=_SECONDS, read_seconds=_SECONDS)
    try:
        account = client.get_account()
        return SesAccount(
            may_send=bool(account.get("SendingEnabled")),
            in_production=bool(account.get("ProductionAccessEnabled")),
            unproved=tuple(domain for domain in domains if not _is_proved(client, domain)),
        )
    except (BotoCoreError, ClientError) as error:
        raise CourierBusy(f"SES: {error}") from error
    finally:
        client.close()


def ask_identity(*, region: str | None, endpoint_url: str | None) -> AskProvider:
    """A question for the account: whether it sends mail from a domain. Raises Misconfigured without a region."""
    client = ses_client(region=region, endpoint_url=endpoint_url, connect_seconds=_SECONDS, read_seconds=_SECONDS)

    async def ask(domain: str) -> bool:
        try:
            return await asyncio.to_thread(_is_proved, client, domain)
        except (BotoCoreError, ClientError) as error:
            raise CourierBusy(f"SES: {error}") from error

    return ask


def _is_proved(client: Any, domain: str) -> bool:
    try:
        return bool(client.get_email_identity(EmailIdentity=domain).get("VerifiedForSendingStatus"))
    except client.exceptions.NotFoundException:
        return False
