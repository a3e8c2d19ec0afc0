"""Signing secrets of agents: text form, encryption at rest, and key derivation.

The text form is ``whsec_`` + base64, as in Standard Webhooks. At rest a secret is a blob:

    version (1 byte, 0x01) | nonce (12 bytes) | AES-256-GCM ciphertext and tag

The version and the row's identity (agent and key id) are authenticated as associated data, so a
blob copied to another row cannot be decrypted there. The key is derived from the operator's master
key by HKDF with a label, so keys derived for other purposes reveal nothing about it.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from relay.errors import BadSecret, Misconfigured

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
NONCE_BYTES: Final = 12
LEAST_MASTER_BYTES: Final = 16
_FOREIGN_BYTES: Final = range(24, 65)  # lengths that Standard Webhooks allows
_VERSION: Final = b"\x01"
_AT_REST: Final = "signing secrets at rest"
_LINKS: Final = "links to people"
_CHECK: Final = "check value"
_CHECKED: Final = b"mailseal-master-check"


@dataclass(frozen=True, slots=True)
class Secret:
    """The HMAC key of one agent. Its repr hides the value."""

    value: bytes

    def __repr__(self) -> str:
        return "Secret(…)"


@dataclass(frozen=True, slots=True)
class MasterKey:
    """Keys derived from the operator's secret: one for encryption, one for links."""

    aead: AESGCM = field(repr=False)  # reused: its key schedule is most of the cost of a small decryption
    links: bytes = field(repr=False)  # HMAC key of the links sent to people
    check: str = field(repr=False)  # hex; a store keeps it to recognise its key (relay/signing/master_check.py)


def whsec(secret: Secret) -> str:
    """The text form of *secret*, as shown to its owner."""
    return PREFIX + base64.b64encode(secret.value).decode("ascii")


def parse_whsec(text: str) -> Secret:
    """Parse a secret in text form; padding is optional.

    Raises BadSecret, whose message never quotes the secret.
    """
    stripped = text.strip()
    if not stripped.startswith(PREFIX) or not stripped.isascii():
        raise BadSecret("a signing secret starts with whsec_")
    encoded = stripped.removeprefix(PREFIX).rstrip("=")
    try:
        value = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        raise BadSecret("the text after whsec_ is not base64") from None
    if len(value) not in _FOREIGN_BYTES:
        raise BadSecret("a signing secret has 24 to 64 bytes")
    return Secret(value)


def new_secret(random_bytes: bytes) -> Secret:
    """A secret from 32 random bytes. Raises BadSecret for another length."""
    if len(random_bytes) != SECRET_BYTES:
        raise BadSecret(f"a new signing secret is made of {SECRET_BYTES} bytes")
    return Secret(random_bytes)


def derive(material: bytes, purpose: str, length: int = 32) -> bytes:
    """Derive a key for one *purpose* from *material* (HKDF-SHA256, RFC 5869).

    *material* is the operator's secret. Keys for different purposes reveal nothing about each
    other. Raises Misconfigured if *material* has fewer than 16 bytes.
    """
    if len(material) < LEAST_MASTER_BYTES:
        raise Misconfigured(f"the secret key needs at least {LEAST_MASTER_BYTES} bytes")
    return HKDF(SHA256(), length, salt=b"mailseal", info=purpose.encode()).derive(material)


def master_key(material: bytes) -> MasterKey:
    """Derive the master key from the operator's *material*. Raises Misconfigured."""
    return MasterKey(
        aead=AESGCM(derive(material, _AT_REST)),
        links=derive(material, _LINKS),
        check=mac(derive(material, _CHECK), _CHECKED).hex(),
    )


def encrypt(secret: Secret, *, master: MasterKey, nonce: bytes, context: str) -> bytes:
    """Encrypt *secret* to a blob for the store.

    *nonce* is 12 random bytes, never reused; *context* identifies the row (agent address and key
    id) and must be the same in ``decrypt``. Raises BadSecret for a nonce of another length.
    """
    if len(nonce) != NONCE_BYTES:
        raise BadSecret(f"a nonce has {NONCE_BYTES} bytes")
    return _VERSION + nonce + master.aead.encrypt(nonce, secret.value, _VERSION + context.encode())


def decrypt(blob: bytes, *, master: MasterKey, context: str) -> Secret:
    """Decrypt *blob*.

    Raises BadSecret, with the same message for a wrong master key, another row or damaged data.
    """
    if blob[:1] != _VERSION:
        raise BadSecret("the stored secret has an unknown version")
    nonce, sealed = blob[1 : 1 + NONCE_BYTES], blob[1 + NONCE_BYTES :]
    try:
        return Secret(master.aead.decrypt(nonce, sealed, _VERSION + context.encode()))
    except (InvalidTag, ValueError):
        raise BadSecret("the stored secret cannot be decrypted with this master key") from None


def mac(key: bytes, message: bytes) -> bytes:
    """The 32 bytes of HMAC-SHA256 over *message* under *key* (RFC 2104)."""
    # The one-shot form stays in C: a third of the time of an HMAC object.
    return hmac.digest(key, message, "sha256")


def same(left: str, right: str) -> bool:
    """Compare two signatures as text in constant time."""
    return hmac.compare_digest(left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))
