"""Limits of the HTTP API: sizes, rates, connections and times."""

from dataclasses import dataclass
from typing import Final

SMALL_BODY: Final = 65_536  # bytes of a request body, except on routes that take a message
DEFAULT_PAGE: Final = 50  # items on a page of a list
MAX_HEAD: Final = 16_384  # bytes of request line and header fields


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiLimits:
    """Limits set by the operator. Rates are requests per minute; 0 means unlimited."""

    rate_per_key: int = 600
    rate_per_user: int = 3000
    failed_keys_per_peer: int = 60  # requests with an invalid key from one IPv4 address or IPv6 /64
    sign_ins_per_peer: int = 10  # sign-in emails requested by one IPv4 address or IPv6 /64
    max_body_bytes: int = 14_680_064  # 10 MiB of attachments as base64, plus the rest of the message
    request_seconds: float = 30  # for the head of a request, and again for its body
    max_connections: int = 2000
    heartbeat_seconds: float = 15  # interval of heartbeats on an idle event stream


DEFAULTS: Final = ApiLimits()
