"""Sign and verify webhook requests (Standard Webhooks).

The signed string is ``id.timestamp.body`` with the exact bytes of the body. The timestamp is that
of the attempt, so a retry after a day is as fresh as the first attempt.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from relay.signing.secrets import Secret, mac, same

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
TOLERANCE_SECONDS: Final = 300.0
_SCHEME: Final = "v1,"
_WHOLE_SECONDS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_MOST_SIGNATURES: Final = 32  # checked for one request; a rotation sends two


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookCheck:
    """Result of checking the signature of a request."""

    missing: tuple[str, ...]  # names of absent headers
    signature: bool  # one of the signatures is valid with one of the secrets
    age_seconds: float | None  # negative for a future timestamp; None without *now* or a timestamp
    fresh: bool | None  # within the tolerance; None if not checked, or without a timestamp

    @property
    def holds(self) -> bool:
        """Whether to accept the request: valid signature, and fresh if that was checked."""
        return self.signature and self.fresh is not False

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each reason to reject the request; empty if it is valid."""
        if self.missing:
            return tuple(f"the header {name} is missing" for name in self.missing)
        bad = () if self.signature else ("no webhook signature matches the id, the timestamp, the body and the secret",)
        stale = () if self.fresh is not False else ("the webhook timestamp is more than five minutes from now",)
        return bad + stale


def sign(event_id: str, timestamp: datetime | int, body: bytes, secrets: Sequence[Secret]) -> dict[str, str]:
    """The three headers of one attempt, with one signature for each of *secrets*.

    The current secret comes first. *timestamp* is the time of the attempt: an aware datetime, or
    seconds since 1970.
    """
    seconds = str(timestamp if isinstance(timestamp, int) else int(timestamp.timestamp()))
    message = _message(event_id, seconds, body)
    signatures = " ".join([_signature(message, secret) for secret in secrets])
    return {ID: event_id, TIMESTAMP: seconds, SIGNATURE: signatures}


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[Secret],
    *,
    now: datetime | None,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> WebhookCheck:
    """Verify the signature in *headers* over exactly the bytes *body*. Never raises.

    Header names are case-insensitive. If *now* is None, the age is not checked.
    """
    found = {name.lower(): value for name, value in headers.items()}
    missing = tuple(name for name in (ID, TIMESTAMP, SIGNATURE) if not found.get(name))
    if missing:
        return WebhookCheck(missing=missing, signature=False, age_seconds=None, fresh=None)
    seconds = found[TIMESTAMP]
    if not _WHOLE_SECONDS.fullmatch(seconds):
        return WebhookCheck(missing=(), signature=False, age_seconds=None, fresh=None if now is None else False)
    message = _message(found[ID], seconds, body)
    age = None if now is None else now.timestamp() - int(seconds)
    fresh = None if age is None else abs(age) <= tolerance_seconds
    return WebhookCheck(
        missing=(), signature=_any_signed(message, found[SIGNATURE], secrets), age_seconds=age, fresh=fresh
    )


def _message(event_id: str, seconds: str, body: bytes) -> bytes:
    return f"{event_id}.{seconds}.".encode("utf-8", "surrogatepass") + body


def _signature(message: bytes, secret: Secret) -> str:
    return _SCHEME + base64.b64encode(mac(secret.value, message)).decode("ascii")


def _any_signed(message: bytes, given: str, secrets: Sequence[Secret]) -> bool:
    signatures = given.split(" ", _MOST_SIGNATURES)[:_MOST_SIGNATURES]
    expected = [_signature(message, secret) for secret in secrets]
    return any(same(each, given_signature) for each in expected for given_signature in signatures)
