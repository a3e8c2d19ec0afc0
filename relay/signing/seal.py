"""Create and verify the seal, the signed authentication result.

See docs/contract.md §4. The seal is an HMAC, with the agent's secret, over thirteen header values.
The signed string holds each value as ``<decimal length>:<value>``, joined with line feeds; the
length prefix makes it unambiguous, so text cannot be moved from one value to the next. The seal
states provenance and does not expire; the webhook signature covers freshness.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal

from relay.clock import rfc3339
from relay.signing.secrets import Secret, mac, same

VERSION: Final = "1"
SIGNATURE: Final = "Mailseal-Signature"
NAMES: Final = (
    "Mailseal-Version",
    "Mailseal-Message-Id",
    "Mailseal-Recipient",
    "Mailseal-Sender",
    "Mailseal-Envelope-From",
    "Mailseal-Entity-Type",
    "Mailseal-Delegation",
    "Mailseal-Verified",
    "Mailseal-Verified-Domain",
    "Mailseal-Domain-Check",
    "Mailseal-Timestamp",
    "Mailseal-Body-Hash",
    "Mailseal-Key-Id",
)
_SCHEME: Final = "v1="
# Printable ASCII without the percent sign, and without spaces at either end, which HTTP would strip.
_PLAIN: Final = re.compile(r"(?:[!-$&-~](?:[ -$&-~]*[!-$&-~])?)?")
_ESCAPED: Final = tuple(chr(byte) if 0x20 <= byte <= 0x7E and byte != 0x25 else f"%{byte:02X}" for byte in range(256))


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The signed values before percent-encoding, without the version."""

    message_id: str
    recipient: str  # the agent's address
    sender: str  # the RFC5322.From address, or empty
    envelope_from: str  # MAIL FROM, empty for <>
    entity_type: Literal["human", "agent"]
    delegation: str  # "agent=ADDRESS;user=ID" for an agent, else empty
    verified: bool
    verified_domain: str | None
    domain_check: str  # "spf=pass; dkim=pass; dmarc=pass; arc=none"
    timestamp: datetime  # of receipt; aware
    body_hash: str  # hex SHA-256 of the stored bytes
    key_id: str  # the agent's key that signs


@dataclass(frozen=True, slots=True, kw_only=True)
class SealCheck:
    """Result of checking a seal."""

    missing: tuple[str, ...]  # names of absent headers
    signature: bool  # valid for these values with one of the secrets
    body_hash: bool | None  # the bytes match the sealed hash; None if no bytes were given

    @property
    def holds(self) -> bool:
        """Whether the seal is valid."""
        return self.signature and self.body_hash is not False

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each reason to reject the seal; empty if it is valid."""
        if self.missing:
            return tuple(f"the header {name} is missing" for name in self.missing)
        bad_signature = () if self.signature else ("the seal's signature does not match its values and the secret",)
        bad_hash = () if self.body_hash is not False else ("the message's bytes do not match the sealed hash",)
        return bad_signature + bad_hash


def header_values(statement: Statement) -> dict[str, str]:
    """The thirteen signed headers in order, values percent-encoded."""
    values = (
        VERSION,
        percent_encode(statement.message_id),
        percent_encode(statement.recipient),
        percent_encode(statement.sender),
        percent_encode(statement.envelope_from),
        statement.entity_type,
        percent_encode(statement.delegation),
        "true" if statement.verified else "false",
        percent_encode(statement.verified_domain or ""),
        percent_encode(statement.domain_check),
        rfc3339(statement.timestamp),
        percent_encode(statement.body_hash),
        percent_encode(statement.key_id),
    )
    return dict(zip(NAMES, values, strict=True))


def canonical(values: Iterable[str]) -> bytes:
    """The string to sign: percent-encoded header values with length prefixes."""
    return "\n".join([f"{len(value)}:{value}" for value in values]).encode("ascii")


def seal(statement: Statement, secret: Secret) -> dict[str, str]:
    """All fourteen seal headers in order: the thirteen values and the signature."""
    headers = header_values(statement)
    headers[SIGNATURE] = _signature(canonical(headers.values()), secret)
    return headers


def verify_seal(headers: Mapping[str, str], secrets: Sequence[Secret], raw: bytes | None) -> SealCheck:
    """Verify the seal in *headers*. Never raises.

    Header names are case-insensitive, and other headers are ignored. *raw* is the message as
    stored; None skips the comparison of its hash.
    """
    found = {name.lower(): value for name, value in headers.items()}
    missing = tuple(name for name in (*NAMES, SIGNATURE) if name.lower() not in found)
    if missing:
        return SealCheck(missing=missing, signature=False, body_hash=None)
    values = [found[name.lower()] for name in NAMES]
    holds = values[0] == VERSION and _any_signed(values, found[SIGNATURE.lower()], secrets)
    body_hash = None if raw is None else same(sha256(raw).hexdigest(), found["mailseal-body-hash"])
    return SealCheck(missing=(), signature=holds, body_hash=body_hash)


def percent_encode(value: str) -> str:
    """Encode *value* as printable ASCII for a header.

    ``%``, bytes of its UTF-8 that are not printable ASCII, and spaces at its ends become ``%XX``.
    """
    if _PLAIN.fullmatch(value):
        return value
    core = value.strip(" ")
    before = len(value) - len(value.lstrip(" ")) if core else 0
    after = len(value) - len(core) - before
    return "%20" * before + "".join([_ESCAPED[byte] for byte in _octets(core)]) + "%20" * after


def _octets(value: str) -> bytes:
    try:
        # Restores the original bytes of text from SMTP or a header that is not valid UTF-8.
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")


def _signature(message: bytes, secret: Secret) -> str:
    return _SCHEME + mac(secret.value, message).hex()


def _any_signed(values: Sequence[str], signature: str, secrets: Sequence[Secret]) -> bool:
    if not all(value.isascii() for value in values):
        return False
    message = canonical(values)
    return any(same(_signature(message, secret), signature) for secret in secrets)
