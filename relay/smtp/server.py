"""The SMTP server: listen, accept clients, stop without losing a mail."""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from relay.limits.counts import Counts
from relay.metrics import Metrics
from relay.smtp.admission import SmtpPool
from relay.smtp.budget import MemoryBudget
from relay.smtp.connection import SmtpConnection
from relay.smtp.context import AdmitRecipient, CheckPeer, ReceiveMail, SmtpContext
from relay.smtp.limits import Limits
from relay.smtp.listen import BACKLOG, bind
from relay.smtp.peers import PeerRate
from relay.smtp.refusal_log import RefusalLog
from relay.smtp.shell import check_shell
from relay.smtp.tls import Certificates


class SmtpServer:
    """Receives mail for recipients that *admit* knows and passes it to *receive*.

    Stop it.
    """

    def __init__(
        self,
        *,
        admit: AdmitRecipient,
        receive: ReceiveMail,
        hostname: str,
        check_peer: CheckPeer | None = None,
        limits: Limits | None = None,
        certificates: Certificates | None = None,
        spool_directory: Path | None = None,
        metrics: Metrics | None = None,
        counts: Counts | None = None,
    ) -> None:
        """The limits are those of all servers that share *counts*."""
        limits, metrics = limits or Limits(), metrics or Metrics()
        self._ctx = SmtpContext(
            admit=admit,
            receive=receive,
            check_peer=check_peer,
            hostname=hostname,
            limits=limits,
            certificates=certificates,
            spool_directory=spool_directory,
            connections=SmtpPool(limits, metrics.count_bound, counts),
            mail_rate=PeerRate(limits.mails_per_minute, counts, kind="mails a minute"),
            budget=MemoryBudget(
                limits.max_inflight_bytes,
                largest=limits.max_message_bytes,
                count=metrics.count_bound,
                counts=counts,
            ),
            metrics=metrics,
            log=structlog.get_logger("relay.smtp"),
        )
        self._servers: list[asyncio.Server] = []

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every bound socket, in the order they were given."""
        return [server.sockets[0].getsockname()[:2] for server in self._servers if server.sockets]

    @property
    def certificates(self) -> Certificates | None:
        """The certificates in use; None without TLS."""
        return self._ctx.certificates

    def change(self, limits: Limits, certificates: Certificates | None) -> None:
        """Use *limits* of a session for new connections, and *certificates* for the next handshakes."""
        self._ctx.limits, self._ctx.certificates = limits, certificates

    @property
    def connections(self) -> int:
        """The number of connected clients."""
        return len(self._ctx.clients)

    @property
    def inflight_bytes(self) -> int:
        """Octets of all mails that are being received or stored."""
        return self._ctx.budget.used

    async def start(self, hosts: Sequence[tuple[str, int]] = (), *, sockets: Sequence[socket.socket] = ()) -> None:
        """Listen on *hosts*, and on *sockets* that systemd bound. Raises Misconfigured."""
        check_shell()
        loop = asyncio.get_running_loop()
        self._ctx.no_clients.set()
        # One bound logger for all connections: a lazy one would be bound again for each line.
        self._ctx.log = self._ctx.log.bind()
        self._ctx.refusals = RefusalLog(self._ctx.log, self._ctx.limits.log_lines_per_minute, loop)
        for listener in [*sockets, *bind(hosts)]:
            listener.setblocking(False)
            self._servers.append(
                await loop.create_server(
                    lambda: SmtpConnection(self._ctx, loop).protocol, sock=listener, backlog=BACKLOG
                )
            )

    async def stop(self, grace_seconds: float) -> None:
        """Stop accepting, wait *grace_seconds* for mails, then end all sessions.

        A mail that is being stored is always waited for.
        A client that waits for a command is answered 421 at once; one in the middle of a mail after the grace
        period. No connection and none of their tasks is left afterwards.
        """
        self._ctx.stopping = True
        for server in self._servers:
            server.close()
        for client in tuple(self._ctx.clients):
            client.interrupt()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self._ctx.no_clients.wait()
        for client in tuple(self._ctx.clients):
            client.cut()
        await self._ctx.no_clients.wait()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
        if self._ctx.refusals is not None:
            self._ctx.refusals.close()
