"""The TLS certificates of the SMTP server, renewed without a restart (RFC 3207).

Senders on port 25 are opportunistic: one that finds no common cipher sends the mail in clear. So every cipher that
encrypts and authenticates the server is accepted, also the older ones of TLS 1.2, and an RSA certificate can be used
together with an ECDSA one.
"""

import ssl
from asyncio import sslproto
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog
from cryptography import x509

from relay.errors import Misconfigured

Fingerprint = tuple[tuple[int, int, int], ...]
# Without anonymous, unencrypted and pre-shared-key suites. Level 1: keys and hashes as old servers have them.
_CIPHERS: Final = "@SECLEVEL=1:ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE:DHE:HIGH:!aNULL:!eNULL:!PSK:!SRP:!aDSS"
_GROUP: Final = Path(__file__).with_name("ffdhe2048.pem")  # RFC 7919 appendix A.1, for DHE suites


class SmallTls(sslproto.SSLProtocol):
    """TLS with a read buffer of 16 KiB per connection (one record) instead of 256 KiB.

    When the handshake fails, the client gets the alert that says why: asyncio aborts the connection with the alert
    unsent. The transport is then closed and not aborted.
    """

    max_size = 16 * 1024
    _sends_alert = False

    def _on_handshake_complete(self, handshake_exc: BaseException | None) -> None:
        if isinstance(handshake_exc, ssl.SSLError):
            self._process_outgoing()  # type: ignore[attr-defined]
            self._sends_alert = True
        super()._on_handshake_complete(handshake_exc)

    def _fatal_error(self, exc: BaseException, message: str = "TLS failed") -> None:
        if self._sends_alert and self._transport is not None:
            self._transport.close()
        else:
            super()._fatal_error(exc, message)


class Certificates:
    """The certificates and keys in use, read again when their files change.

    A new context is made for changed files and used once it has loaded: a context in use whose load
    fails would refuse every handshake.
    """

    def __init__(self, certificates: Sequence[Path], keys: Sequence[Path]) -> None:
        """Load each certificate with the key at the same place. Raises Misconfigured."""
        self._pairs = tuple(zip(certificates, keys, strict=True))
        self._log: Any = structlog.get_logger("relay.smtp")
        try:
            self._seen = self._fingerprint()
            self._context = self._load()
        except (OSError, ssl.SSLError, ValueError) as error:
            raise Misconfigured(f"{self._shown} cannot be used: {reason_of(error)}") from error

    @property
    def files(self) -> tuple[tuple[Path, Path], ...]:
        """The files of the certificates, each with the file of its key."""
        return self._pairs

    @property
    def ends_at(self) -> datetime:
        """When the first certificate in use ends."""
        return self._ends_at

    def current(self) -> ssl.SSLContext:
        """The context for the next handshake.

        Never raises: after a bad file the old context is used.
        """
        try:
            seen = self._fingerprint()
        except OSError:
            # The file is being replaced, or missing: the loaded certificate still works.
            return self._context
        if seen != self._seen:
            self._seen = seen
            self._renew()
        return self._context

    def _renew(self) -> None:
        try:
            self._context = self._load()
        except (OSError, ssl.SSLError, ValueError) as error:
            self._log.error("certificate_renewal_failed", file=self._shown, error=reason_of(error))
        else:
            self._log.info("certificate_renewed", file=self._shown, ends_at=self._ends_at.isoformat())

    @property
    def _shown(self) -> str:
        return ", ".join(f"certificate {certificate} with key {key}" for certificate, key in self._pairs)

    def _fingerprint(self) -> Fingerprint:
        files = [file for pair in self._pairs for file in pair]
        return tuple((at.st_mtime_ns, at.st_ino, at.st_size) for at in (file.stat() for file in files))

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        context.load_dh_params(str(_GROUP))
        # Session tickets do not help a mail server, and some senders fail to resume with one.
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        context.num_tickets = 0
        for certificate, key in self._pairs:  # OpenSSL keeps one for each kind of key
            context.load_cert_chain(certificate, key, password=_no_password)
        self._ends_at = min(_ends_at(certificate) for certificate, _ in self._pairs)
        return context


def reason_of(error: BaseException) -> str:
    """The cause of a TLS error in words, without OpenSSL's place in its source."""
    if isinstance(error, ssl.SSLError) and error.reason:
        if error.reason == "KEY_VALUES_MISMATCH":
            return "the key is not the certificate's"
        return error.reason.lower().replace("_", " ")
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _no_password() -> str:
    raise ValueError("the key is encrypted, and the daemon has no password for it")


def _ends_at(file: Path) -> datetime:
    certificate = x509.load_pem_x509_certificates(file.read_bytes())[0]
    return certificate.not_valid_after_utc.astimezone(UTC)
