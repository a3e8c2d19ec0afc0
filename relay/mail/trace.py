"""The trace fields a mail gets in front when it is taken (RFC 5321 §4.4), and how many it has."""

from datetime import datetime
from email.utils import format_datetime
from typing import Final

from relay.mail.address import Address
from relay.mail.envelope import Envelope
from relay.mail.headers import Headers

_MAX_VALUE: Final = 1000  # characters
_STRUCTURE: Final = str.maketrans("", "", '();<>\\"')


def return_path(mail_from: Address | None) -> bytes:
    """The ``Return-Path`` field with its CRLF: the envelope's sender, ``<>`` for the null one."""
    sender = "" if mail_from is None else str(mail_from)
    return f"Return-Path: <{_one_line(sender)}>\r\n".encode()


def received(envelope: Envelope, *, hostname: str, message_id: str, at: datetime) -> bytes:
    """The ``Received`` field with its CRLF, folded.

    Args:
        envelope: Who gave the mail, and to whom. A recipient is named only when there is no
            other: the second would learn of the first (RFC 5321 §7.6).
        hostname: Our own name.
        message_id: The id the reply names, of the first recipient.
        at: Aware; written in its own zone.
    """
    peer = envelope.peer
    address = f"IPv6:{peer.ip}" if peer.ip.version == 6 else str(peer.ip)
    tls = f" ({_word(peer.tls)})" if peer.tls else ""
    to = f"\r\n for <{_one_line(str(envelope.rcpt_to[0]))}>" if len(envelope.rcpt_to) == 1 else ""
    field = (
        f"Received: from {_word(peer.helo)} ([{address}])\r\n"
        f" by {_word(hostname)} with {_word(peer.protocol)}{tls} id {_word(message_id)}{to};\r\n"
        f" {format_datetime(at)}\r\n"
    )
    return field.encode()


def received_inside(*, hostname: str, message_id: str, at: datetime) -> bytes:
    """The ``Received`` field of a mail that never left this relay; *message_id* is its writer's."""
    return f"Received: by {_word(hostname)} (Mailseal) id {_word(message_id)};\r\n {format_datetime(at)}\r\n".encode()


def hop_count(headers: Headers) -> int:
    """How many machines say they have passed the mail on: its ``Received`` fields (RFC 5321 §6.3)."""
    return sum(field.name == "received" for field in headers.fields)


def _one_line(value: str) -> str:
    """*value* without anything that could end the field or the header. Addresses come checked already."""
    return "".join(sign for sign in value[:_MAX_VALUE] if sign.isprintable())


def _word(value: str) -> str:
    """*value* as one word that cannot open a comment or a clause of its own."""
    return "".join(_one_line(value).translate(_STRUCTURE).split()) or "unknown"
