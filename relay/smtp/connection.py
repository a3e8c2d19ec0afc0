"""One client: reads lines, asks the session what they lead to, and does it."""

from asyncio import AbstractEventLoop, CancelledError, sleep
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from relay.errors import Deferred, Refused
from relay.mail.address import Address
from relay.mail.envelope import Envelope, Peer
from relay.smtp import replies
from relay.smtp.context import SmtpContext
from relay.smtp.data import BdatReceiver, DotReceiver
from relay.smtp.intake import Intake
from relay.smtp.lines import Lines
from relay.smtp.replies import Reply, reply_to
from relay.smtp.session import Admit, SmtpSession, StartChunk, StartData, Transaction
from relay.smtp.shell import TlsFailed
from relay.smtp.wire import ClientGone, Interrupted, Phase, Wire
from relay.spool import Spool
from store.errors import Unavailable

# Commands done before others get their turn: a client that pipelines thousands must not starve them.
_TURN: Final = 16


class SmtpConnection(Wire):
    """The driver of one session."""

    def __init__(self, ctx: SmtpContext, loop: AbstractEventLoop) -> None:
        super().__init__(loop, ctx.limits)
        self._ctx = ctx
        self._state = SmtpSession(hostname=ctx.hostname, limits=ctx.limits, offers_tls=ctx.certificates is not None)
        self._lines = Lines(ctx.limits.command_line_bytes)
        self._ip: IPv4Address | IPv6Address = IPv4Address(0)
        self._tls: str | None = None
        self._turn = 0
        self._intake: Intake | None = None
        self._closing: Reply | None = None
        self._entered = False

    def enter(self) -> bool:
        """See Shell."""
        name = self.transport.get_extra_info("peername")
        if not name:  # gone before we looked
            self.transport.abort()
            return False
        self._ip = peer_ip(name[0])
        refusal = replies.SHUTTING_DOWN if self._ctx.stopping else self._ctx.room.enter(self._ip)
        if refusal is not None:
            self._log_refusal(refusal, None, None)
            self._say(refusal)
            self._hang_up()
            return False
        self._entered = True
        self._ctx.entered(self)
        return True

    def leave(self) -> None:
        """See Shell."""
        self._deadline.close()
        if self._entered:
            self._entered = False
            self._ctx.room.leave(self._ip)
            self._ctx.left(self)

    async def _handle_client(self) -> None:
        try:
            self._say(replies.greeting(self._ctx.hostname))
            await self._converse()
        except Interrupted as interruption:
            self._reply(interruption.reply, self._state.transaction)
        except CancelledError:
            self._reply(replies.SHUTTING_DOWN, self._state.transaction)
        except (ClientGone, OSError, TlsFailed) as reason:
            self._ctx.log.debug("session_ended", peer=str(self._ip), reason=type(reason).__name__)
        except Exception:  # one session's trouble is never another's, and nothing for a client to see
            self._ctx.log.exception("session_failed", peer=str(self._ip))
            self._say(replies.BROKEN)
        finally:
            self._drop_intake()
            self._hang_up()

    async def _converse(self) -> None:
        while self._closing is None:
            line = await self._next_line()
            if isinstance(line, Reply):
                self._reply(line, self._state.transaction)
                continue
            await self._obey(line)
            if self._intake is not None and self._state.transaction is None:
                self._drop_intake()
        if self._closing is not replies.BYE:
            await self._linger()

    async def _next_line(self) -> bytes | Reply:
        self._turn += 1
        if self._turn % _TURN == 0:
            await self._flush()
            await sleep(0)
        while (line := self._lines.next()) is None or self._cutting:
            if self._ctx.stopping:
                raise Interrupted(replies.SHUTTING_DOWN)
            self._lines.feed(await self._read(Phase.COMMAND, self._limits.idle_seconds))
        return line

    async def _obey(self, line: bytes) -> None:
        transaction = self._state.transaction
        step = self._state.command(line)
        if isinstance(step, Reply):
            self._reply(step, transaction)
        elif isinstance(step, Admit):
            self._reply(await self._admit(step.recipient), transaction, step.recipient)
        elif isinstance(step, StartData):
            self._reply(await self._take_data(), transaction)
        elif isinstance(step, StartChunk):
            self._reply(await self._take_chunk(step), transaction)
        else:
            await self._secure()

    def _reply(self, reply: Reply, transaction: Transaction | None, recipient: Address | None = None) -> None:
        final = self._state.answer(reply)
        if final.is_error:
            self._log_refusal(final, transaction, recipient)
        if final.closes:
            self._closing = final
        self._say(final)

    async def _admit(self, recipient: Address) -> Reply:
        self._deadline.lift()
        self._phase = Phase.ASKING
        try:
            admission = await self._ctx.admit(recipient)
        except Exception as error:  # noqa: BLE001 (a stranger gets an answer whatever happens)
            return self._answer_to(error)
        finally:
            self._phase = Phase.WRITING
        return self._state.admitted(recipient, admission)

    async def _take_data(self) -> Reply:
        limits = self._limits
        intake = self._begin(DotReceiver(max_bytes=limits.max_message_bytes, max_line=limits.data_line_bytes))
        if intake is None:
            self._state.finish(kept=False)
            return replies.NO_ROOM
        self._say(replies.GO_AHEAD)
        await self._pour(intake)
        return await self._conclude(intake)

    async def _take_chunk(self, chunk: StartChunk) -> Reply:
        if chunk.refusal:
            await self._skip(chunk.size)
            return chunk.refusal
        limits = self._limits
        intake = self._intake or self._begin(
            BdatReceiver(max_bytes=limits.max_message_bytes, max_line=limits.data_line_bytes)
        )
        if intake is None:
            await self._skip(chunk.size)
            self._state.finish(kept=False)
            return replies.NO_ROOM
        assert isinstance(intake.receiver, BdatReceiver)
        intake.receiver.begin(chunk.size, last=chunk.last)
        await self._pour(intake)
        if chunk.last or intake.refusal:
            return await self._conclude(intake)
        return replies.chunk_taken(chunk.size)

    def _begin(self, receiver: DotReceiver | BdatReceiver) -> Intake | None:
        assert self._state.transaction is not None
        lease = self._ctx.budget.lease()
        if not lease.cover(max(1, self._state.transaction.size)):
            return None
        self._intake = Intake(receiver, Spool(self._ctx.spool_directory), lease)
        return self._intake

    async def _pour(self, intake: Intake) -> None:
        intake.feed(self._lines.take())
        while not intake.receiver.done:
            intake.feed(await self._read(Phase.DATA, self._limits.data_seconds))
        self._lines.feed(intake.receiver.rest)

    async def _skip(self, octets: int) -> None:
        chunk = self._lines.take()
        while octets > len(chunk):
            octets -= len(chunk)
            chunk = await self._read(Phase.DATA, self._limits.data_seconds)
        self._lines.feed(chunk[octets:])

    async def _conclude(self, intake: Intake) -> Reply:
        reply = intake.refusal or await self._keep(intake.spool)
        self._drop_intake()
        self._state.finish(kept=not reply.is_error)
        return reply

    async def _keep(self, spool: Spool) -> Reply:
        transaction = self._state.transaction
        assert transaction is not None
        peer = Peer(ip=self._ip, helo=self._state.helo, tls=self._tls, protocol=self._state.protocol)
        envelope = Envelope(peer=peer, mail_from=transaction.sender, rcpt_to=tuple(transaction.recipients))
        self._deadline.lift()
        self._phase = Phase.KEEPING
        try:
            return replies.accepted(await self._ctx.receive(envelope, spool, transaction.admissions))
        except Exception as error:  # noqa: BLE001 (a stranger gets an answer whatever happens)
            return self._answer_to(error)
        finally:
            self._phase = Phase.WRITING

    async def _secure(self) -> None:
        assert self._ctx.certificates is not None
        # What came behind STARTTLS came in the clear, from whoever (RFC 3207 §4.2).
        self._lines.take()
        self._drop_intake()
        context = self._ctx.certificates.current()
        self._say(replies.READY_FOR_TLS)
        self._write_out()
        self._deadline.lift()
        self._phase = Phase.HANDSHAKE
        await self.start_tls(context, within=self._limits.handshake_seconds)
        self._phase = Phase.WRITING
        self._state.secure()
        self._tls = self.transport.get_extra_info("ssl_object").version()

    def _answer_to(self, error: Exception) -> Reply:
        where = {"peer": str(self._ip), "phase": self._phase.name.lower()}
        if isinstance(error, Unavailable):
            self._ctx.log.warning("database_failed", **where, error=str(error.__cause__ or error))
        elif not isinstance(error, (Refused, Deferred)):
            self._ctx.log.error("handler_failed", **where, exc_info=error)
        return reply_to(error)

    def _drop_intake(self) -> None:
        if self._intake is not None:
            self._intake.close()
            self._intake = None

    def _log_refusal(self, reply: Reply, transaction: Transaction | None, recipient: Address | None = None) -> None:
        recipients = [recipient] if recipient else transaction.recipients if transaction else []
        self._ctx.log.info(
            "message_refused",
            peer=str(self._ip),
            helo=self._state.helo or None,
            mail_from=_plain(transaction.sender) if transaction else None,
            rcpt=[_plain(address) for address in recipients],
            code=reply.code,
            enhanced=reply.enhanced,
            reason=reply.text,
        )


def peer_ip(name: str) -> IPv4Address | IPv6Address:
    """The address in a socket's peer name: no scope, and IPv4 where IPv6 only carries it."""
    ip = ip_address(name.partition("%")[0])
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


def _plain(address: Address | None) -> str:
    # Printable ASCII, whatever a stranger called himself: nothing of his reaches a terminal.
    return str(address).encode("unicode_escape").decode("ascii") if address else "<>"
