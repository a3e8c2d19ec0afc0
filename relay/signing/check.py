"""Whether a webhook request, kept as JSON, is what this relay sent (``mailseal verify-seal``).

The document is ``{"headers": {…} or [[name, value], …], "body": "…"}``; the body as a string is
what was signed. A body that some tool has parsed is written out compactly, which gives the
signed bytes back only where that tool changed nothing.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from json import JSONDecodeError, dumps, loads
from typing import Any, Final

from relay.signing.seal import NAMES, SealCheck, percent_encode, verify_seal
from relay.signing.secrets import Secret
from relay.signing.webhook import WebhookCheck, verify

RECEIVED: Final = "email.received"
_REBUILT: Final = "the body was given parsed: its bytes were rebuilt and may not be those that were signed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCheck:
    """What a look at a whole request found."""

    webhook: WebhookCheck
    seal: SealCheck | None  # None for an event about no received mail, which carries no seal
    disagreements: tuple[str, ...]  # where the body says something else than the seal, or than itself
    notes: tuple[str, ...]  # what keeps this check from being sure

    @property
    def holds(self) -> bool:
        """Whether both signatures hold and the body agrees. Age is told apart: see ``fresh``."""
        return self.webhook.signature and (self.seal is None or self.seal.holds) and not self.disagreements

    @property
    def fresh(self) -> bool | None:
        """Whether a receiver would have taken it now; None when no time was given to compare."""
        return self.webhook.fresh

    @property
    def reasons(self) -> tuple[str, ...]:
        """A sentence for each thing that speaks against the request, its age included."""
        seal = () if self.seal is None else self.seal.reasons
        return self.webhook.reasons + seal + self.disagreements

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "holds": self.holds,
            "fresh": self.fresh,
            "age_seconds": self.webhook.age_seconds,
            "webhook_signature": self.webhook.signature,
            "seal_signature": None if self.seal is None else self.seal.signature,
            "body_hash": None if self.seal is None else self.seal.body_hash,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
        }


def check_request(document: object, secrets: Sequence[Secret], *, now: datetime | None = None) -> RequestCheck:
    """Check *document* against *secrets*, the current one and those still valid after a rotation.

    With *now* as None freshness is not judged. Raises nothing: what is wrong with the document's
    form is among the reasons.
    """
    parts = document if isinstance(document, Mapping) else {}
    headers, doubled = _headers(parts.get("headers"))
    body, notes = _body(parts.get("body"))
    event = _event(body)
    data = _mapping(event.get("data"))
    raw, raw_troubles = _raw(data)
    seal = verify_seal(headers, secrets, raw) if _is_sealed(event, headers) else None
    disagreements = (*doubled, *raw_troubles, *_disagreements(event, headers, sealed=seal is not None))
    if seal is not None and seal.body_hash is None:
        notes = (*notes, "the request holds no raw mail, so its hash was compared by name only")
    return RequestCheck(
        webhook=verify(headers, body, secrets, now=now), seal=seal, disagreements=disagreements, notes=notes
    )


def _headers(given: object) -> tuple[dict[str, str], tuple[str, ...]]:
    """Names lower-case, and a sentence for each name with two values: no two readers would take the same one."""
    found: dict[str, str] = {}
    doubled: list[str] = []
    for name, value in _pairs(given):
        if found.setdefault(name, value) != value:
            doubled.append(f"the header {name} is given twice")
    return found, tuple(doubled)


def _pairs(given: object) -> list[tuple[str, str]]:
    items: list[Any] = list(given.items()) if isinstance(given, Mapping) else given if isinstance(given, list) else []
    pairs = [item for item in items if isinstance(item, (list, tuple)) and len(item) == 2]
    # Some frameworks keep a list of values for each name.
    spread = [(name, value) for name, values in pairs for value in (values if isinstance(values, list) else [values])]
    return [(name.lower(), value) for name, value in spread if isinstance(name, str) and isinstance(value, str)]


def _body(given: object) -> tuple[bytes, tuple[str, ...]]:
    if isinstance(given, str):
        return given.encode("utf-8", "surrogatepass"), ()
    if isinstance(given, (dict, list)):
        return dumps(given, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"), (_REBUILT,)
    return b"", ("the document holds no body",)


def _event(body: bytes) -> Mapping[str, Any]:
    try:
        return _mapping(loads(body))
    # A number too long and arrays too deep are the two other ways in which JSON fails.
    except (JSONDecodeError, UnicodeDecodeError, ValueError, RecursionError):
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _raw(data: Mapping[str, Any]) -> tuple[bytes | None, tuple[str, ...]]:
    given = data.get("raw")
    if given is None:
        return None, ()
    try:
        return base64.b64decode(given, validate=True), ()
    except (binascii.Error, ValueError, TypeError):
        return None, ("the body's raw is no base64",)


def _is_sealed(event: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    return event.get("type", RECEIVED) == RECEIVED or any(name.lower() in headers for name in NAMES)


def _disagreements(event: Mapping[str, Any], headers: Mapping[str, str], *, sealed: bool) -> tuple[str, ...]:
    """A sentence for each value that the body gives otherwise than the headers do."""
    expected = [("id", event.get("id"), headers.get("webhook-id"))]
    if sealed and event.get("type") == RECEIVED:
        expected += _sealed_values(_mapping(event.get("data")), headers)
    return tuple(f"the body's {name} is not the header's" for name, ours, theirs in expected if ours != theirs)


def _sealed_values(data: Mapping[str, Any], headers: Mapping[str, str]) -> list[tuple[str, str | None, str | None]]:
    authentication = _mapping(data.get("authentication"))
    verified = authentication.get("verified")
    repeated = {name.lower(): value for name, value in _mapping(data.get("auth_headers")).items()}
    values: list[tuple[str, str | None, str | None]] = [
        ("message_id", _encoded(data.get("message_id")), headers.get("mailseal-message-id")),
        ("agent", _encoded(data.get("agent")), headers.get("mailseal-recipient")),
        ("raw_sha256", _encoded(data.get("raw_sha256")), headers.get("mailseal-body-hash")),
        ("verified", "true" if verified is True else "false", headers.get("mailseal-verified")),
        ("verified_domain", _encoded(authentication.get("verified_domain")), headers.get("mailseal-verified-domain")),
    ]
    return values + [(f"auth_headers {name}", value, headers.get(name)) for name, value in repeated.items()]


def _encoded(value: object) -> str | None:
    return percent_encode(value) if isinstance(value, str) else "" if value is None else None
