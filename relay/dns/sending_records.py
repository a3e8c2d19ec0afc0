"""The DNS records with which a domain's owner lets one courier send its mail: SPF mechanism and DKIM record."""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingRecords:
    """What receivers look up to accept a courier's mail for a domain."""

    spf: str  # the mechanism that names the courier's hosts (RFC 7208 §5)
    dkim_type: Literal["TXT", "CNAME"]
    dkim_selector: str  # the record is at SELECTOR._domainkey.DOMAIN (RFC 6376 §3.6.2.1)
    dkim_value: str
    dkim_note: str  # for people


# Mail that leaves by the hosts that also receive it, signed by another program on the host.
OWN_HOSTS: Final = SendingRecords(
    spf="mx",
    dkim_type="TXT",
    dkim_selector="SELECTOR",
    dkim_value="v=DKIM1; k=rsa; p=PUBLIC_KEY",
    dkim_note="Selector and key come from the server that signs your mail.",
)
