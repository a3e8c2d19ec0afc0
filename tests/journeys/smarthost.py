"""The world outside: a smarthost that takes every mail, and mailboxes that people look into."""

import asyncio
import re
from email import message_from_bytes, policy
from typing import Any, Self

from aiosmtpd.smtp import SMTP

from tests.outbound.lines import smarthost_settings

PATIENCE_SECONDS = 20


class SmartHost:
    """``async with SmartHost() as host``: listens on a free port of 127.0.0.1 from there on."""

    def __init__(self) -> None:
        self.mails: list[tuple[tuple[str, ...], bytes]] = []
        self._read: set[int] = set()
        self._came = asyncio.Condition()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: SMTP(self, hostname="host.example"), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await asyncio.sleep(0.05)

    @property
    def settings(self) -> dict[str, str]:
        """How a relay sends through here."""
        return smarthost_settings(self.port)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        async with self._came:
            self.mails.append((tuple(envelope.rcpt_tos), envelope.content))
            self._came.notify_all()
        return "250 2.0.0 Ok: queued as Q1"

    def got(self, recipient: str) -> list[bytes]:
        """Every mail for *recipient*."""
        return [raw for recipients, raw in self.mails if recipient in recipients]

    async def link(self, recipient: str, path: str) -> str:
        """The link that begins with *path* in the next letter for *recipient* that was not looked at yet."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._came:
            while True:
                for number, (recipients, raw) in enumerate(self.mails):
                    if recipient in recipients and number not in self._read and (found := _links(raw, path)):
                        self._read.add(number)
                        (one,) = set(found)
                        return one
                await self._came.wait()


def _links(raw: bytes, path: str) -> list[str]:
    body = message_from_bytes(raw, policy=policy.default).get_body(("plain",))
    return re.findall(rf"^(http\S+{path}\S+)\s*$", body.get_content() if body else "", re.MULTILINE)
