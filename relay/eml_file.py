"""Messages from files instead of SMTP, for `inject`, `check` and the demo."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from relay.mail.address import Address
from relay.mail.envelope import Envelope, Peer
from relay.spool import Spool

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


def spool_of(content: bytes) -> Spool:
    """*content* as SMTP delivers it: every line, also the last, ends with CRLF."""
    lines = _LINE_END.sub(b"\r\n", content)
    spool = Spool()
    spool.write(lines if lines.endswith(b"\r\n") else lines + b"\r\n")
    return spool


def envelope_for(
    recipients: Sequence[Address], *, mail_from: Address | None, ip: IPv4Address | IPv6Address, helo: str
) -> Envelope:
    """The envelope of such a message. *mail_from* is None for the null reverse-path."""
    return Envelope(
        peer=Peer(ip=ip, helo=helo, tls=None, protocol="ESMTP"),
        mail_from=mail_from,
        rcpt_to=tuple(recipients),
    )
