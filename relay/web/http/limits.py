"""Limits of the HTTP API: sizes, rates, connections and times."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final

SMALL_BODY: Final = 65_536  # bytes of a request body, except on routes that take a message
DEFAULT_PAGE: Final = 50  # items on a page of a list
MAX_HEAD: Final = 16_384  # bytes of request line and header fields
_PART: Final = 10  # one connection of so many is kept for peers that hold none


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiLimits:
    """Limits set by the operator. Rates are requests per minute; 0 means unlimited."""

    rate_per_key: int = 600
    rate_per_user: int = 3000
    failed_keys_per_peer: int = 60  # requests with an invalid key from one IPv4 address or IPv6 /64
    sign_ins_per_peer: int = 10  # sign-in emails requested by one IPv4 address or IPv6 /64
    max_body_bytes: int = 14_680_064  # 10 MiB of attachments as base64, plus the rest of the message
    max_bytes_in_flight: int = 134_217_728  # large bodies and answers together; a quarter of it for one user
    request_seconds: float = 30  # for the head of a request, and again for its body
    max_connections: int = 2000
    max_connections_per_peer: int = 100  # from one IPv4 address or IPv6 /64 that is no trusted proxy
    waits_per_key: int = 20  # event streams and requests with `wait` at the same time
    waits_per_user: int = 100
    heartbeat_seconds: float = 15  # interval of heartbeats on an idle event stream
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()  # their forwarding fields name the client

    @property
    def reserved_connections(self) -> int:
        """Connections kept for peers that hold none."""
        return self.max_connections // _PART

    @property
    def max_waits(self) -> int:
        """Waiting requests of all users: short requests always find a connection."""
        return max(1, self.max_connections - 2 * self.reserved_connections)

    @property
    def waits_per_peer(self) -> int:
        """Waiting requests of one peer: its short requests find a connection, too."""
        return max(1, self.max_connections_per_peer - self.max_connections_per_peer // 5)


DEFAULTS: Final = ApiLimits()
