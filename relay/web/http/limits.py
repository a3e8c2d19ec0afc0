"""How much one stranger and one caller may ask of the HTTP door."""

from dataclasses import dataclass
from typing import Final

SMALL_BODY: Final = 65_536  # bytes of a request's body, everywhere but where mails are written
DEFAULT_PAGE: Final = 50  # items of a list's page
MAX_HEAD: Final = 16_384  # bytes of a request's line and fields


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiLimits:
    """The operator's word on it; the rates are requests a minute, where 0 bounds nothing."""

    rate_per_key: int = 600
    rate_per_user: int = 3000
    failed_keys_per_peer: int = 60  # guesses from one IPv4 address or IPv6 /64
    sign_ins_per_peer: int = 10  # letters with a link that one address or /64 asks for
    max_body_bytes: int = 14_680_064  # 10 MiB of attachments as base64, and room for the rest
    request_seconds: float = 30  # for a request's head, and for its body
    max_connections: int = 2000
    heartbeat_seconds: float = 15  # between two signs of life of a stream on which nothing happens


DEFAULTS: Final = ApiLimits()
