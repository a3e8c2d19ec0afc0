"""Write the trace fields Return-Path and Received, and count hops (RFC 5321 §4.4)."""

from datetime import datetime
from email.utils import format_datetime
from typing import Final

from relay.mail.address import Address
from relay.mail.envelope import Envelope
from relay.mail.headers import Headers

_MAX_VALUE: Final = 1000  # characters
_STRUCTURE: Final = str.maketrans("", "", '();<>\\"')


def return_path(mail_from: Address | None) -> bytes:
    """The ``Return-Path`` field with its CRLF; ``<>`` for the null sender."""
    sender = "" if mail_from is None else str(mail_from)
    return f"Return-Path: <{_one_line(sender)}>\r\n".encode()


def received(envelope: Envelope, *, hostname: str, message_id: str, at: datetime) -> bytes:
    """The ``Received`` field with its CRLF, folded.

    Args:
        envelope: The SMTP client and the recipients. A recipient is named only if it is the
            single one, so that recipients do not learn of each other (RFC 5321 §7.6).
        hostname: Name of this server.
        message_id: The id in the SMTP reply, that of the first recipient.
        at: Aware; written in its own time zone.
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
    """The ``Received`` field of a message delivered locally between agents.

    *message_id* is the id of the sender's copy.
    """
    return f"Received: by {_word(hostname)} (Mailseal) id {_word(message_id)};\r\n {format_datetime(at)}\r\n".encode()


def hop_count(headers: Headers) -> int:
    """Number of ``Received`` fields, to detect mail loops (RFC 5321 §6.3)."""
    return sum(field.name == "received" for field in headers.fields)


def own_hop_count(headers: Headers, *, hostname: str) -> int:
    """Number of ``Received`` fields that the server *hostname* wrote with a message id: a loop has many."""
    words = (f"by {_word(hostname)} with ", f"by {_word(hostname)} (mailseal) id ")
    return sum(
        any(word in (text := b" ".join(field.value.lower().split()).decode("latin-1")) for word in words)
        and " id msg_" in text
        for field in headers.fields
        if field.name == "received"
    )


def _one_line(value: str) -> str:
    """*value* without characters that could end the field.

    Addresses are validated before.
    """
    return "".join(sign for sign in value[:_MAX_VALUE] if sign.isprintable())


def _word(value: str) -> str:
    """*value* as one word that cannot start a comment or a clause."""
    return "".join(_one_line(value).translate(_STRUCTURE).split()) or "unknown"
