"""An agent's signing secret: as its owner sees it, and as it lies in the store.

Outside it is ``whsec_`` + base64 (the Standard Webhooks form). At rest it is a blob:

    version (1 byte, 0x01) | nonce (12 bytes) | AES-256-GCM ciphertext and tag

The version and the row's own place (agent and key id) are authenticated with it, so a blob
copied to another row does not open there. The key comes from the operator's master key by
HKDF under a label, so what other purposes derive from it tells nothing about this one.
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
_FOREIGN_BYTES: Final = range(24, 65)  # what the Standard Webhooks text lets a secret have
_VERSION: Final = b"\x01"
_AT_REST: Final = "signing secrets at rest"
_LINKS: Final = "links to people"


@dataclass(frozen=True, slots=True)
class Secret:
    """The HMAC key of one agent, never shown by accident."""

    value: bytes

    def __repr__(self) -> str:
        return "Secret(…)"


@dataclass(frozen=True, slots=True)
class MasterKey:
    """What opens and closes the secrets of the store."""

    aead: AESGCM = field(repr=False)  # made once: its key schedule is most of the cost of a small decryption
    links: bytes = field(repr=False)  # signs the links that go to people


def whsec(secret: Secret) -> str:
    """*secret* as its owner is shown it."""
    return PREFIX + base64.b64encode(secret.value).decode("ascii")


def parse_whsec(text: str) -> Secret:
    """The secret written as *text*; padding may be missing. Raises BadSecret, which never quotes it."""
    stripped = text.strip()
    if not stripped.startswith(PREFIX) or not stripped.isascii():
        raise BadSecret("a signing secret starts with whsec_")
    encoded = stripped.removeprefix(PREFIX).rstrip("=")
    try:
        value = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        raise BadSecret("behind whsec_ stands no base64") from None
    if len(value) not in _FOREIGN_BYTES:
        raise BadSecret("a signing secret has 24 to 64 bytes")
    return Secret(value)


def new_secret(random_bytes: bytes) -> Secret:
    """A secret of 32 bytes fresh from the system's generator. Raises BadSecret for another length."""
    if len(random_bytes) != SECRET_BYTES:
        raise BadSecret(f"a new signing secret is made of {SECRET_BYTES} bytes")
    return Secret(random_bytes)


def derive(material: bytes, purpose: str, length: int = 32) -> bytes:
    """A key for one *purpose* out of the operator's *material* (HKDF-SHA256, RFC 5869).

    Two purposes get keys that tell nothing about each other. Raises Misconfigured when *material*
    is too short to be a key.
    """
    if len(material) < LEAST_MASTER_BYTES:
        raise Misconfigured(f"the secret key needs at least {LEAST_MASTER_BYTES} bytes")
    return HKDF(SHA256(), length, salt=b"mailseal", info=purpose.encode()).derive(material)


def master_key(material: bytes) -> MasterKey:
    """The key for secrets at rest out of the operator's *material*. Raises Misconfigured."""
    return MasterKey(aead=AESGCM(derive(material, _AT_REST)), links=derive(material, _LINKS))


def encrypt(secret: Secret, *, master: MasterKey, nonce: bytes, context: str) -> bytes:
    """*secret* as a blob for the store.

    *nonce* is 12 random bytes, never used twice; *context* names the row (agent address and key id)
    and must be the same at ``decrypt``. Raises BadSecret for a nonce of another length.
    """
    if len(nonce) != NONCE_BYTES:
        raise BadSecret(f"a nonce has {NONCE_BYTES} bytes")
    return _VERSION + nonce + master.aead.encrypt(nonce, secret.value, _VERSION + context.encode())


def decrypt(blob: bytes, *, master: MasterKey, context: str) -> Secret:
    """The secret in *blob*. Raises BadSecret for another master key, another row or damage, alike."""
    if blob[:1] != _VERSION:
        raise BadSecret("the stored secret has an unknown form")
    nonce, sealed = blob[1 : 1 + NONCE_BYTES], blob[1 + NONCE_BYTES :]
    try:
        return Secret(master.aead.decrypt(nonce, sealed, _VERSION + context.encode()))
    except (InvalidTag, ValueError):
        raise BadSecret("the stored secret does not open with this key") from None


def mac(key: bytes, message: bytes) -> bytes:
    """The 32 bytes of HMAC-SHA256 over *message* under *key* (RFC 2104)."""
    # The one-shot form stays in C: a third of the time of an HMAC object.
    return hmac.digest(key, message, "sha256")


def same(left: str, right: str) -> bool:
    """Compare two signatures as text, in a time that does not depend on where they differ."""
    return hmac.compare_digest(left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))
