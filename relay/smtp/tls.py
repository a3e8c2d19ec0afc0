"""The certificate of the door, and TLS that comes up over a connection (RFC 3207)."""

import ssl
from asyncio import sslproto
from pathlib import Path
from typing import Any

import structlog

from relay.errors import Misconfigured

Fingerprint = tuple[tuple[int, int, int], ...]


class SmallTls(sslproto.SSLProtocol):
    """TLS with a read buffer of 16 KiB, one record, instead of 256 KiB a connection."""

    max_size = 16 * 1024


class Certificates:
    """The certificate and key now in use, read again when their files change.

    A context in use is never loaded into: after a load that fails it would refuse every
    handshake. A new one is made, and takes over only once it is whole.
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
        """The context for the next handshake. Never raises: a bad file keeps the old one."""
        try:
            seen = self._fingerprint()
        except OSError:
            # In the middle of being replaced, or gone: what we have still works.
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
        # Tickets bring a mail server nothing, and some senders fail on resuming with one.
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        context.num_tickets = 0
        context.load_cert_chain(*self._files)
        return context
