"""A domain as an identity of an SES account: made, and what its owner publishes for it (Easy DKIM). API v2.

Importing this costs half a second, like relay/outbound/ses.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from relay.errors import CourierBusy
from relay.outbound.couriers.ses.client import ses_client

_SECONDS: Final = 10
_ZONE: Final = "dkim.amazonses.com"  # unless the answer names another, as of newer regions


@dataclass(frozen=True, slots=True)
class SesIdentity:
    """One domain in one account and region."""

    domain: str
    is_proved: bool  # SES sends mail from it
    records: tuple[tuple[str, str], ...]  # CNAMEs to publish: name, value
    are_seen: bool  # SES has found them in DNS


def ensure_identity(domain: str, *, region: str | None, endpoint_url: str | None) -> SesIdentity:
    """Make *domain* an identity, unless it is one, and say how it stands; boto3's own credentials.

    Raises CourierBusy with the provider's words, and Misconfigured without a region.
    """
    client = ses_client(region=region, endpoint_url=endpoint_url, connect_seconds=_SECONDS, read_seconds=_SECONDS)
    try:
        return _identity(domain, _made(client, domain))
    except (BotoCoreError, ClientError) as error:
        raise CourierBusy(f"SES: {error}") from error
    finally:
        client.close()


def _made(client: Any, domain: str) -> dict[str, Any]:
    with suppress(client.exceptions.AlreadyExistsException):  # then it tells how it stands like any other
        client.create_email_identity(EmailIdentity=domain)
    answer: dict[str, Any] = client.get_email_identity(EmailIdentity=domain)
    return answer


def _identity(domain: str, told: dict[str, Any]) -> SesIdentity:
    dkim = told.get("DkimAttributes", {})
    zone = dkim.get("SigningHostedZone") or _ZONE
    return SesIdentity(
        domain=domain,
        is_proved=bool(told.get("VerifiedForSendingStatus")),
        records=tuple((f"{token}._domainkey.{domain}", f"{token}.{zone}") for token in dkim.get("Tokens", ())),
        are_seen=dkim.get("Status") == "SUCCESS",
    )
