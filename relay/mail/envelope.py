"""The SMTP envelope of a message: client, sender, recipients (RFC 5321 §2.3.1)."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from relay.mail.address import Address


def peer_ip(name: str) -> IPv4Address | IPv6Address:
    """The IP address in a peer name: no scope, and IPv4 for IPv4-mapped IPv6. Raises ValueError."""
    ip = ip_address(name.partition("%")[0])
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


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
