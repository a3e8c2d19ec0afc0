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
    max_connections_per_peer: int = 50  # concurrent, from one IPv4 address or one IPv6 /64; a /48 has three times it
    connections_per_minute: int = 300  # from one IPv4 address or one IPv6 /64; 0 sets no limit
    mails_per_minute: int = 30_000  # begun by one IPv4 address or one IPv6 /64; 0 sets no limit
    log_lines_per_minute: int = 100  # of refusals of one IPv4 address or one IPv6 /48; 0 sets no limit
    max_commands: int = 1000  # since the start or the last accepted mail; large BDAT chunks are not counted
    max_errors: int = 20  # 5xx and 452 replies since the start or the last accepted mail
    max_junk: int = 100  # NOOP, RSET, VRFY, EXPN and HELP since the start or the last accepted mail
    delay_after_errors: int = 10  # from this error on each reply is delayed
    error_delay_seconds: float = 1
    max_transactions: int = 1000  # begun; announced as LIMITS MAILMAX (RFC 9422)
    max_inflight_bytes: int = 1024 * 1024 * 1024  # of all mails that are being received or stored, in all sessions
    command_line_bytes: int = 2048  # with CRLF; more than RFC 5321 §4.5.3.1.4 and all extensions need
    data_line_bytes: int = 65_536  # of one line of a mail, without CRLF
    crowded_idle_seconds: float = 10  # instead of idle_seconds, while most connections are in use
    banner_wait_seconds: float = 0  # for octets before the greeting, which are refused; 0 does not wait
    idle_seconds: float = 300  # without an octet between commands (RFC 5321 §4.5.3.2.7)
    data_seconds: float = 180  # without an octet inside a mail (RFC 5321 §4.5.3.2.5)
    data_rate: float = 500  # least octets per second inside a mail, averaged over a window; 0 sets none
    data_rate_seconds: float = 60  # that window
    mail_memory_seconds: float = 60  # a connection that sent a mail within this time is not dropped for another
    session_seconds: float = 1800  # from connect to the last command read; a commit is never interrupted
    handshake_seconds: int = 30  # for the TLS handshake
    linger_seconds: float = 2  # for a client to read the last reply before the close
