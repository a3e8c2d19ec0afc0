"""The SMTP door of the relay: listens, lets clients in, and lets them finish when it stops."""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from relay.smtp.admission import ConnectionLimits, MemoryBudget
from relay.smtp.connection import SmtpConnection
from relay.smtp.context import AdmitRecipient, ReceiveMail, SmtpContext
from relay.smtp.limits import Limits
from relay.smtp.listen import bind
from relay.smtp.shell import check_shell
from relay.smtp.tls import Certificates


class SmtpServer:
    """Takes mail for whoever *admit* knows and hands it to *receive*. Stop it."""

    def __init__(
        self,
        *,
        admit: AdmitRecipient,
        receive: ReceiveMail,
        hostname: str,
        limits: Limits | None = None,
        certificates: Certificates | None = None,
        spool_directory: Path | None = None,
    ) -> None:
        limits = limits or Limits()
        self._ctx = SmtpContext(
            admit=admit,
            receive=receive,
            hostname=hostname,
            limits=limits,
            certificates=certificates,
            spool_directory=spool_directory,
            room=ConnectionLimits(limits),
            budget=MemoryBudget(limits.max_inflight_bytes),
            log=structlog.get_logger("relay.smtp"),
        )
        self._servers: list[asyncio.Server] = []

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every bound socket, in the order they were given."""
        return [server.sockets[0].getsockname()[:2] for server in self._servers if server.sockets]

    @property
    def connections(self) -> int:
        """How many clients are inside."""
        return len(self._ctx.inside)

    @property
    def inflight_bytes(self) -> int:
        """Octets of all mails that are arriving or being kept."""
        return self._ctx.budget.used

    async def start(self, hosts: Sequence[tuple[str, int]] = (), *, sockets: Sequence[socket.socket] = ()) -> None:
        """Listen on *hosts* and on *sockets*, which are bound already (systemd's). Raises Misconfigured."""
        check_shell()
        loop = asyncio.get_running_loop()
        self._ctx.emptied.set()
        # One logger for all connections: the lazy one would be made anew at every line.
        self._ctx.log = self._ctx.log.bind()
        for listener in [*sockets, *bind(hosts)]:
            listener.setblocking(False)
            self._servers.append(
                await loop.create_server(lambda: SmtpConnection(self._ctx, loop), sock=listener, backlog=512)
            )

    async def stop(self, grace_seconds: float) -> None:
        """Stop accepting, let mails under way arrive for *grace_seconds*, and wait for those being kept.

        Who waits for a command is told 421 at once, who is in the middle of a mail behind the grace.
        No connection and no task of theirs is left afterwards.
        """
        self._ctx.stopping = True
        for server in self._servers:
            server.close()
        for guest in tuple(self._ctx.inside):
            guest.interrupt()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self._ctx.emptied.wait()
        for guest in tuple(self._ctx.inside):
            guest.cut()
        await self._ctx.emptied.wait()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
