"""HMAC-SHA256 (RFC 2104), the one function under both signatures."""

import hmac


def mac(key: bytes, message: bytes) -> bytes:
    """The 32 bytes that only a holder of *key* can make for *message*."""
    # The one-shot form stays in C: a third of the time of an HMAC object.
    return hmac.digest(key, message, "sha256")


def same(left: str, right: str) -> bool:
    """Whether two signatures as text are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))
