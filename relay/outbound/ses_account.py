"""What an SES account says of itself: whether it may send, and for which domains. API v2.

Importing this costs half a second, like relay/outbound/ses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from relay.errors import CourierBusy

_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class SesAccount:
    """One account in one region."""

    may_send: bool
    in_production: bool  # else it sends to proved addresses alone
    unproved: tuple[str, ...]  # of the domains asked about, those that SES will not send for


def read_account(*, region: str | None, endpoint_url: str | None, domains: Sequence[str]) -> SesAccount:
    """Ask, with boto3's own credentials. Raises CourierBusy with the provider's words; takes 5 s a question at most."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=_SECONDS, read_timeout=_SECONDS)
    try:
        client = boto3.session.Session().client("sesv2", region_name=region, endpoint_url=endpoint_url, config=config)
    except BotoCoreError as error:
        raise CourierBusy(f"SES: {error}") from error
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


def _is_proved(client: Any, domain: str) -> bool:
    try:
        return bool(client.get_email_identity(EmailIdentity=domain).get("VerifiedForSendingStatus"))
    except client.exceptions.NotFoundException:
        return False
