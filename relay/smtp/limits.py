"""Limits of the SMTP server: sizes, counts and timeouts (RFC 5321 §4.5.3).

See docs/contract.md §2.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of the SMTP server.

    Counts are per session unless the name says otherwise.
    """

    max_message_bytes: int = 36_700_160  # of one mail, dot-stuffing and the final dot not counted (RFC 1870 §5)
    max_recipients: int = 100  # accepted recipients of one mail (RFC 5321 §4.5.3.1.8: at least 100)
    null_path_recipients: int = 1  # of a mail with the null reverse-path: a bounce goes to one address
    max_connections: int = 1000  # concurrent, in all
    max_connections_per_peer: int = 50  # concurrent, from one IPv4 address or one IPv6 /64
    max_commands: int = 1000  # since the start or the last accepted mail; large BDAT chunks are not counted
    max_errors: int = 20  # 5xx replies since the start or the last accepted mail
    max_transactions: int = 1000  # begun; announced as LIMITS MAILMAX (RFC 9422)
    max_inflight_bytes: int = 1024 * 1024 * 1024  # of all mails that are being received or stored, in all sessions
    command_line_bytes: int = 2048  # with CRLF; more than RFC 5321 §4.5.3.1.4 and all extensions need
    data_line_bytes: int = 65_536  # of one line of a mail, without CRLF
    idle_seconds: float = 300  # without an octet between commands (RFC 5321 §4.5.3.2.7)
    data_seconds: float = 180  # without an octet inside a mail (RFC 5321 §4.5.3.2.5)
    session_seconds: float = 1800  # from connect to the last command read; a commit is never interrupted
    handshake_seconds: int = 30  # for the TLS handshake
    linger_seconds: float = 2  # for a client to read the last reply before the close
