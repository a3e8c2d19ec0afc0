"""A smarthost that wants to know who one is, on three ports: by STARTTLS, by TLS from the first byte, and in clear."""

import asyncio
import ssl
from typing import Self

import trustme
from aiosmtpd.smtp import SMTP, AuthResult

TLS = ("starttls", "tls", "none")


class Host:
    """Takes what it is told to, and remembers it. Who signs in is ``me``, by the password ``right``."""

    def __init__(self, authority: trustme.CA) -> None:
        self.mails, self.rcpt, self.data = [], {}, "250 2.0.0 Ok: queued as Q4711"
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self._context)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._servers = {
            tls: await loop.create_server(
                lambda tls=tls: self._speak(tls), "127.0.0.1", 0, ssl=self._context if tls == "tls" else None
            )
            for tls in TLS
        }
        self.ports = {tls: server.sockets[0].getsockname()[1] for tls, server in self._servers.items()}
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers.values():
            server.close()
        await asyncio.sleep(0.05)

    def _speak(self, tls: str) -> SMTP:
        return SMTP(
            self,
            hostname="host.example",
            tls_context=self._context if tls == "starttls" else None,
            authenticator=self._authenticate,
            auth_require_tls=tls == "starttls",  # the library knows of no other way to be encrypted
        )

    def _authenticate(self, server, session, envelope, mechanism, data):
        return AuthResult(success=(data.login, data.password) == (b"me", b"right"), handled=False)

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 (aiosmtpd's name)
        if address in self.rcpt:
            return self.rcpt[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if self.data.startswith("250"):
            encrypted = server.transport.get_extra_info("sslcontext") is not None
            self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content, encrypted))
        return self.data
