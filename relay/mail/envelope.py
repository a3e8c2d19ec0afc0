"""The SMTP envelope of a message: client, sender, recipients (RFC 5321 §2.3.1)."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from relay.mail.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The SMTP client at the other end of the connection."""

    ip: IPv4Address | IPv6Address  # an IPv4-mapped IPv6 address is already an IPv4Address
    helo: str  # as given, validated as a domain or literal, so safe to write into a header
    tls: str | None  # the negotiated version, "TLSv1.3"; None without TLS
    protocol: str  # RFC 3848 and 6531: SMTP, ESMTP, ESMTPS, UTF8SMTP, UTF8SMTPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The envelope of one SMTP transaction."""

    peer: Peer
    mail_from: Address | None  # None is the null path <>, as on a bounce
    rcpt_to: tuple[Address, ...]  # in RCPT order, as given
