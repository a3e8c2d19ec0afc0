"""How much of this machine a stranger may use (contract §2, RFC 5321 §4.5.3)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the door. Counts are per session unless the name says otherwise."""

    max_message_bytes: int = 36_700_160  # of one mail, dot-stuffing and the final dot not counted (RFC 1870 §5)
    max_recipients: int = 100  # accepted ones of one mail (RFC 5321 §4.5.3.1.8: at least 100)
    max_connections: int = 1000  # at once, in all
    max_connections_per_peer: int = 50  # at once, from one IPv4 address or one IPv6 /64
    max_commands: int = 1000  # since the start or the last kept mail, BDAT chunks of some size not counted
    max_errors: int = 20  # 5xx replies since the start or the last kept mail
    max_transactions: int = 1000  # mails begun; offered as LIMITS MAILMAX (RFC 9422)
    max_inflight_bytes: int = 1024 * 1024 * 1024  # of all mails that are arriving or being kept, in all sessions
    command_line_bytes: int = 2048  # with CRLF; RFC 5321 §4.5.3.1.4 and what extensions add, and then some
    data_line_bytes: int = 65_536  # of a line of a mail, without CRLF
    idle_seconds: float = 300  # of silence between commands (RFC 5321 §4.5.3.2.7)
    data_seconds: float = 180  # of silence inside a mail (RFC 5321 §4.5.3.2.5)
    session_seconds: float = 1800  # from connect to the last command taken; a commit is never cut
    handshake_seconds: int = 30  # for TLS to come up
    linger_seconds: float = 2  # for a client to read the reply before which we hang up
