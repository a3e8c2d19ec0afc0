"""The TLS certificate of the SMTP server, renewed without a restart (RFC 3207)."""

import ssl
from asyncio import sslproto
from pathlib import Path
from typing import Any

import structlog

from relay.errors import Misconfigured

Fingerprint = tuple[tuple[int, int, int], ...]


class SmallTls(sslproto.SSLProtocol):
    """TLS with a read buffer of 16 KiB per connection (one record) instead of 256 KiB."""

    max_size = 16 * 1024


class Certificates:
    """The certificate and key in use, read again when their files change.

    A new context is made for changed files and used once it has loaded: a context in use whose load
    fails would refuse every handshake.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._log: Any = structlog.get_logger("relay.smtp")
        try:
            self._seen = self._fingerprint()
            self._context = self._load()
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(f"the certificate {certificate} with key {key} cannot be used: {error}") from error

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
        except (OSError, ssl.SSLError) as error:
            self._log.error("certificate_renewal_failed", file=str(self._files[0]), error=str(error))
        else:
            self._log.info("certificate_renewed", file=str(self._files[0]))

    def _fingerprint(self) -> Fingerprint:
        return tuple((at.st_mtime_ns, at.st_ino, at.st_size) for at in (file.stat() for file in self._files))

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Session tickets do not help a mail server, and some senders fail to resume with one.
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        context.num_tickets = 0
        context.load_cert_chain(*self._files)
        return context
