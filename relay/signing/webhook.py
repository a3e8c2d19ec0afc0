"""Standard Webhooks signatures: this request is ours, and it is from now.

What is signed is ``id.timestamp.body``, the body being the very bytes sent. The timestamp is
the attempt's, so a retry after a day is as fresh as the first try.
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
_MOST_SIGNATURES: Final = 32  # of a request that is looked at; a rotation has two


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookCheck:
    """What a look at a request's signature found."""

    missing: tuple[str, ...]  # headers that are not there at all
    signature: bool  # one of the signatures was made with one of the secrets
    age_seconds: float | None  # negative for a time to come; None without a clock or a timestamp
    fresh: bool | None  # within the tolerance; None when it was not asked, or there is no timestamp

    @property
    def holds(self) -> bool:
        """Whether a receiver should take the request: signed, and fresh where that was asked."""
        return self.signature and self.fresh is not False

    @property
    def reasons(self) -> tuple[str, ...]:
        """A sentence for each thing that speaks against it; none where it holds."""
        if self.missing:
            return tuple(f"the header {name} is missing" for name in self.missing)
        bad = () if self.signature else ("no webhook signature fits the id, the timestamp, the body and the secret",)
        stale = () if self.fresh is not False else ("the webhook timestamp is more than five minutes off",)
        return bad + stale


def sign(event_id: str, timestamp: datetime | int, body: bytes, secrets: Sequence[Secret]) -> dict[str, str]:
    """The three headers for one attempt: a signature for each of *secrets*, the current one first.

    *timestamp* is the attempt's time, aware, or in seconds since 1970.
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
    """Look at the signature in *headers* (names in any case) of exactly the bytes *body*.

    With *now* as None freshness is not judged. Raises nothing, whatever the headers hold.
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
    return any(same(ours, theirs) for ours in expected for theirs in signatures)
