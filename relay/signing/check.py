"""Verify a webhook request saved as JSON (``mailseal verify-seal``).

The document is ``{"headers": {…} or [[name, value], …], "body": "…"}``. A body given as a string is
verified as it is. A body given as parsed JSON is serialised compactly first, which restores the
signed bytes only if the tool that parsed it changed no value and no order.
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
_REBUILT: Final = "the body was given as parsed JSON: it was serialised again and may differ from the signed bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCheck:
    """Result of checking a complete webhook request."""

    webhook: WebhookCheck
    seal: SealCheck | None  # None for events other than a received message, which carry no seal
    disagreements: tuple[str, ...]  # where body and seal differ, or the document contradicts itself
    notes: tuple[str, ...]  # what limits this check

    @property
    def holds(self) -> bool:
        """Whether both signatures are valid and the body agrees.

        For the age see ``fresh``.
        """
        return self.webhook.signature and (self.seal is None or self.seal.holds) and not self.disagreements

    @property
    def fresh(self) -> bool | None:
        """Whether the timestamp is within the tolerance; None if no time was given."""
        return self.webhook.fresh

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each reason to reject the request, including its age."""
        seal = () if self.seal is None else self.seal.reasons
        return self.webhook.reasons + seal + self.disagreements

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
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
    """Check *document* with *secrets*, the current one first.

    During a rotation *secrets* also holds the previous ones that are still valid. If *now* is
    None, the age is not checked. Never raises: errors in the form of the document are among the
    reasons.
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
        notes = (*notes, "the request holds no raw message, so its bytes were not compared with the sealed hash")
    return RequestCheck(
        webhook=verify(headers, body, secrets, now=now), seal=seal, disagreements=disagreements, notes=notes
    )


def _headers(given: object) -> tuple[dict[str, str], tuple[str, ...]]:
    """Headers by lower-case name, and a sentence for each name with two values.

    Two values are an error because receivers differ in which one they use.
    """
    found: dict[str, str] = {}
    doubled: list[str] = []
    for name, value in _pairs(given):
        if found.setdefault(name, value) != value:
            doubled.append(f"the header {name} is given twice")
    return found, tuple(doubled)


def _pairs(given: object) -> list[tuple[str, str]]:
    items: list[Any] = list(given.items()) if isinstance(given, Mapping) else given if isinstance(given, list) else []
    pairs = [item for item in items if isinstance(item, (list, tuple)) and len(item) == 2]
    # Some frameworks store a list of values for each name.
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
    # ValueError is also raised for too long a number, RecursionError for too deep a nesting.
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
        return None, ("the body's raw is not valid base64",)


def _is_sealed(event: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    return event.get("type", RECEIVED) == RECEIVED or any(name.lower() in headers for name in NAMES)


def _disagreements(event: Mapping[str, Any], headers: Mapping[str, str], *, sealed: bool) -> tuple[str, ...]:
    """One sentence for each value that differs between body and headers."""
    expected = [("id", event.get("id"), headers.get("webhook-id"))]
    if sealed and event.get("type") == RECEIVED:
        expected += _sealed_values(_mapping(event.get("data")), headers)
    return tuple(
        f"the body's {name} differs from the header" for name, in_body, in_header in expected if in_body != in_header
    )


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
