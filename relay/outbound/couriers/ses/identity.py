"""Set up a domain as an identity of an SES account, with the records of Easy DKIM (API v2).

Importing this imports boto3, which takes half a second.
"""

from contextlib import suppress
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from relay.errors import CourierBusy
from relay.outbound.couriers.courier_kind import DomainSetup
from relay.outbound.couriers.ses.client import ses_client

_SECONDS: Final = 10
_DKIM_ZONE: Final = "dkim.amazonses.com"  # unless the answer names another, as in newer regions
_NOTE: Final = "Amazon SES signs mail of the domain with it (Easy DKIM)."
_HINT: Final = "SES returned no records: enable Easy DKIM for this identity, then run the command again."


def ensure_identity(domain: str, *, region: str | None, endpoint_url: str | None) -> DomainSetup:
    """Create *domain* as an identity unless it is one, and return its state; boto3's own credentials.

    Raises CourierBusy with the provider's words, and Misconfigured without a region.
    """
    client = ses_client(region=region, endpoint_url=endpoint_url, connect_seconds=_SECONDS, read_seconds=_SECONDS)
    try:
        return _setup(domain, _create(client, domain))
    except (BotoCoreError, ClientError) as error:
        raise CourierBusy(f"SES: {error}") from error
    finally:
        client.close()


def _create(client: Any, domain: str) -> dict[str, Any]:
    """Create the identity, new or not, and read it."""
    with suppress(client.exceptions.AlreadyExistsException):
        client.create_email_identity(EmailIdentity=domain)
    answer: dict[str, Any] = client.get_email_identity(EmailIdentity=domain)
    return answer


def _setup(domain: str, identity: dict[str, Any]) -> DomainSetup:
    dkim = identity.get("DkimAttributes", {})
    zone = dkim.get("SigningHostedZone") or _DKIM_ZONE
    return DomainSetup(
        domain=domain,
        is_verified=bool(identity.get("VerifiedForSendingStatus")),
        records=tuple((f"{token}._domainkey.{domain}", f"{token}.{zone}") for token in dkim.get("Tokens", ())),
        are_seen=dkim.get("Status") == "SUCCESS",
        note=_NOTE,
        hint=_HINT,
    )
