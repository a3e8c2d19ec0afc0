"""Drive one SMTP connection: read commands, ask the session, do what it says."""

from asyncio import AbstractEventLoop, CancelledError, ensure_future, sleep
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from relay.errors import Deferred, Refused
from relay.mail.address import Address
from relay.mail.envelope import Envelope, Peer, peer_ip
from relay.smtp import replies
from relay.smtp.context import SmtpContext
from relay.smtp.data import BdatReceiver, DotReceiver
from relay.smtp.intake import Intake
from relay.smtp.least_rate import LeastRate
from relay.smtp.lines import Lines
from relay.smtp.peers import widest
from relay.smtp.replies import Reply, bound_of, reply_to
from relay.smtp.session import Admit, SmtpSession, StartChunk, StartData, Transaction
from relay.smtp.shell import Shell, TlsFailed
from relay.smtp.wire import ClientGone, Interrupted, Phase, Wire
from relay.spool import Spool
from store.errors import Unavailable, words_of

# Commands per turn: a client that pipelines thousands must not delay the other sessions.
_TURN: Final = 4
_SMALL_BYTES: Final = 64 * 1024  # of a mail; the octets after these are read in turns of the event loop
_GROUP: Final = 16  # commands whose replies are sent together
_CAUSE: Final = 300  # characters of an error in the log
_LOGGED: Final = 3  # recipients that a log line names


class SmtpConnection:
    """The driver of one SMTP session; ``protocol`` is its asyncio protocol."""

    def __init__(self, ctx: SmtpContext, loop: AbstractEventLoop) -> None:
        self._ctx = ctx
        self._limits = ctx.limits
        self.protocol = Shell(loop, self)
        self._now = loop.time
        self._wire = Wire(self.protocol, ctx.limits, ctx.metrics.count_reply)
        self._session = SmtpSession(
            hostname=ctx.hostname,
            limits=ctx.limits,
            offers_tls=ctx.certificates is not None,
            may_begin=self._refuse_mail,
        )
        self._lines = Lines(ctx.limits.command_line_bytes)
        self._ip: IPv4Address | IPv6Address = IPv4Address(0)
        self._peer = widest(self._ip)  # whose turns and budget it uses
        self._tls: str | None = None
        self._turn = 0
        self._intake: Intake | None = None
        self._closing: Reply | None = None
        self._entered = False
        self._kept_at = float("-inf")  # when the last mail was accepted
        self._cause: str | None = None  # class and words of the error behind the next reply, for the log

    def enter(self) -> bool:
        """Count a new connection, or answer and close it when a limit is reached.

        See SmtpDriver.
        """
        name = self._wire.peer_name
        if name is None:  # disconnected already
            self._wire.abort()
            return False
        self._ip = peer_ip(name)
        self._peer = widest(self._ip)
        refusal = (
            replies.SHUTTING_DOWN if self._ctx.stopping else self._ctx.connections.enter(self, self._ip, self._now())
        )
        if refusal is not None:
            self._log_refusal(refusal, None, None)
            self._wire.say(refusal)
            self._wire.hang_up()
            return False
        self._entered = True
        self._ctx.add_client(self._wire)
        return True

    def leave(self) -> None:
        """Count the connection out. See SmtpDriver."""
        self._wire.close()
        if self._entered:
            self._entered = False
            self._ctx.connections.leave(self)
            self._ctx.remove_client(self._wire)

    @property
    def has_sent_mail(self) -> bool:
        """Whether a mail was accepted a short time ago. See PooledClient."""
        return self._now() - self._kept_at < self._limits.mail_memory_seconds

    def make_room(self) -> bool:
        """End the session for a client of another peer. See PooledClient."""
        return self._wire.dismiss(replies.MAKE_ROOM)

    def hurry(self) -> None:
        """Wait for a shorter time for the next command. See PooledClient."""
        self._wire.hurry(min(self._limits.idle_seconds, self._limits.crowded_idle_seconds))

    async def talk(self) -> None:
        """Speak SMTP until the session ends, and close the connection. See SmtpDriver."""
        try:
            await self._greet()
            await self._converse()
        except Interrupted as interruption:
            self._reply(interruption.reply, self._session.transaction)
        except CancelledError:
            self._reply(replies.SHUTTING_DOWN, self._session.transaction)
        except (ClientGone, OSError, TlsFailed) as reason:
            self._ctx.log.debug("session_ended", peer=str(self._ip), reason=type(reason).__name__)
        except Exception:  # a bug ends this session only, and the client does not read its text
            self._ctx.log.exception("session_failed", peer=str(self._ip))
            self._wire.say(replies.BROKEN)
        finally:
            self._drop_intake()
            self._wire.hang_up()

    async def _greet(self) -> None:
        if self._limits.banner_wait_seconds:
            await sleep(self._limits.banner_wait_seconds)
            if self._wire.has_unread:
                self._reply(replies.EARLY_TALK, None)
                return
        self._wire.say(replies.greeting(self._ctx.hostname))

    async def _converse(self) -> None:
        while self._closing is None:
            line = await self._next_line()
            if isinstance(line, Reply):
                self._reply(line, self._session.transaction)
                continue
            await self._execute(line)
            if self._intake is not None and self._session.transaction is None:
                self._drop_intake()
            if self._session.is_slowed and self._closing is None:
                self._ctx.metrics.count_bound("smtp_error_delay")
                await sleep(self._limits.error_delay_seconds)
        if self._closing is not replies.BYE:
            await self._wire.linger()

    async def _next_line(self) -> bytes | Reply:
        self._turn += 1
        if self._turn % _GROUP == 0:
            await self._wire.flush()
        if self._turn % _TURN == 0:
            await self._ctx.turns.next(self._peer)
        while (line := self._lines.next()) is None or self._wire.is_cut:
            if self._ctx.stopping:
                raise Interrupted(replies.SHUTTING_DOWN)
            self._lines.feed(await self._wire.read(Phase.COMMAND, self._idle_seconds()))
            await self._ctx.turns.next(self._peer)
        return line

    def _idle_seconds(self) -> float:
        limits = self._limits
        crowded = self._ctx.connections.is_crowded
        return min(limits.idle_seconds, limits.crowded_idle_seconds) if crowded else limits.idle_seconds

    def _refuse_mail(self, size: int) -> Reply | None:
        if not self._ctx.mail_rate.take(self._ip, self._now()):
            return replies.TOO_MANY_MAILS
        return None if self._ctx.budget.has_room(self._peer, size) else replies.NO_STORAGE

    async def _execute(self, line: bytes) -> None:
        transaction = self._session.transaction
        step = self._session.command(line)
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
        final = self._session.answer(reply)
        if final.is_error:
            self._log_refusal(final, transaction, recipient)
        if bound := bound_of(final):
            self._ctx.metrics.count_bound(bound)
        if final.closes:
            self._closing = final
        self._wire.say(final)

    async def _admit(self, recipient: Address) -> Reply:
        try:
            with self._wire.during(Phase.ASKING):
                agent = await self._ctx.admit(recipient)
                await self._check_peer(recipient)
        except Exception as error:  # noqa: BLE001 (each command is answered, after a bug too)
            return self._answer_to(error, Phase.ASKING)
        return self._session.admitted(recipient, agent)

    async def _check_peer(self, recipient: Address) -> None:
        """Ask whether the peer may write to *recipient*, before any octet of its mail is taken."""
        transaction = self._session.transaction
        assert transaction is not None
        if self._ctx.check_peer is not None:
            await ensure_future(self._ctx.check_peer(self._ip, transaction.sender, recipient))  # a task, as it may wait

    async def _take_data(self) -> Reply:
        if self._lines.has_rest or self._wire.has_unread:
            return replies.EARLY_DATA  # closes: the octets would be read as commands
        limits = self._limits
        intake = self._begin(DotReceiver(max_bytes=limits.max_message_bytes, max_line=limits.data_line_bytes))
        self._wire.say(replies.GO_AHEAD)
        await self._fill(intake)
        return await self._conclude(intake)

    async def _take_chunk(self, chunk: StartChunk) -> Reply:
        if chunk.refusal:
            await self._skip(chunk.size)
            return chunk.refusal
        limits = self._limits
        intake = self._intake or self._begin(
            BdatReceiver(max_bytes=limits.max_message_bytes, max_line=limits.data_line_bytes)
        )
        assert isinstance(intake.receiver, BdatReceiver)
        intake.receiver.begin(chunk.size, last=chunk.last)
        await self._fill(intake)
        if chunk.last or intake.refusal:
            return await self._conclude(intake)
        return replies.chunk_taken(chunk.size)

    def _begin(self, receiver: DotReceiver | BdatReceiver) -> Intake:
        reservation = self._ctx.budget.reserve(self._peer)
        self._intake = Intake(receiver, Spool(self._ctx.spool_directory), reservation)
        return self._intake

    async def _fill(self, intake: Intake) -> None:
        intake.feed(self._lines.take())
        rate = self._least_rate()
        arrived = 0
        while not intake.receiver.done:
            chunk = await self._next_octets(rate)
            arrived += len(chunk)
            if arrived > _SMALL_BYTES:
                await self._ctx.data_turns.next(self._peer)
            intake.feed(chunk)
        self._lines.feed(intake.receiver.rest)

    async def _skip(self, octets: int) -> None:
        chunk = self._lines.take()
        rate = self._least_rate()
        while octets > len(chunk):
            octets -= len(chunk)
            chunk = await self._next_octets(rate)
        self._lines.feed(chunk[octets:])

    def _least_rate(self) -> LeastRate:
        return LeastRate(self._limits.data_rate, window=self._limits.data_rate_seconds, now=self._now())

    async def _next_octets(self, rate: LeastRate) -> bytes:
        patience, silence = rate.patience(self._now()), self._limits.data_seconds
        if patience <= 0:
            raise Interrupted(replies.TOO_SLOW)
        reply = replies.TOO_SLOW if patience < silence else replies.TIMED_OUT
        chunk = await self._wire.read(Phase.DATA, min(patience, silence), timed_out=reply)
        rate.arrived(len(chunk))
        return chunk

    async def _conclude(self, intake: Intake) -> Reply:
        reply = intake.refusal
        if reply is None:
            reply = await self._keep(intake.spool)
        else:
            self._cause = intake.cause
            self._ctx.metrics.count_mail("refused" if reply.code >= 500 else "deferred")
        if not reply.is_error:
            self._kept_at = self._now()
        self._drop_intake()
        self._session.finish(kept=not reply.is_error)
        return reply

    async def _keep(self, spool: Spool) -> Reply:
        transaction = self._session.transaction
        assert transaction is not None
        peer = Peer(ip=self._ip, helo=self._session.helo, tls=self._tls, protocol=self._session.protocol)
        envelope = Envelope(peer=peer, mail_from=transaction.sender, rcpt_to=tuple(transaction.recipients))
        try:
            with self._wire.during(Phase.KEEPING):
                turn = await self._ctx.mail_turns.begin(self._peer)
                try:
                    # A task of its own, with its timeouts: talk is none.
                    stored = await ensure_future(self._ctx.receive(envelope, spool, transaction.agents))
                    return replies.accepted(stored)
                finally:
                    turn.end()
        except Exception as error:  # noqa: BLE001 (each mail is answered, after a bug too)
            return self._answer_to(error, Phase.KEEPING)

    async def _secure(self) -> None:
        assert self._ctx.certificates is not None
        # Octets after STARTTLS came without TLS and may be injected, so they are dropped (RFC 3207 §4.2).
        self._lines.take()
        self._drop_intake()
        context = self._ctx.certificates.current()
        self._wire.say(replies.READY_FOR_TLS)
        try:
            self._tls = await self._wire.start_tls(context)
        except TlsFailed as failure:
            self._ctx.metrics.count_tls(None, "failed")
            self._log_tls_failure(str(failure))
            raise
        self._ctx.metrics.count_tls(self._tls, "ok")
        self._session.secure()

    def _log_tls_failure(self, reason: str) -> None:
        assert self._ctx.refusals is not None
        if not self._ctx.refusals.write_tls(self._ip, helo=self._session.helo or None, reason=reason):
            self._ctx.metrics.count_bound("smtp_log_lines")

    def _answer_to(self, error: Exception, phase: Phase) -> Reply:
        where = {"peer": str(self._ip), "phase": phase.name.lower()}
        reply = reply_to(error)
        if reply.code < 500:
            self._cause = _plain_words(f"{type(error).__name__}: {words_of(error)}")
        if isinstance(error, Unavailable):
            self._ctx.log.warning("database_failed", **where, error=words_of(error))
        elif not isinstance(error, (Refused, Deferred)):
            self._ctx.log.error("handler_failed", **where, exc_info=error)
        return reply

    def _drop_intake(self) -> None:
        if self._intake is not None:
            self._intake.close()
            self._intake = None

    def _log_refusal(self, reply: Reply, transaction: Transaction | None, recipient: Address | None = None) -> None:
        recipients = [recipient] if recipient else transaction.recipients if transaction else []
        cause, self._cause = self._cause, None
        assert self._ctx.refusals is not None
        written = self._ctx.refusals.write(
            self._ip,
            helo=self._session.helo or None,
            mail_from=_plain(transaction.sender) if transaction else None,
            rcpt=[_plain(address) for address in recipients[:_LOGGED]],
            recipients=len(recipients),
            code=reply.code,
            enhanced=reply.enhanced,
            reason=reply.text,
            **({"cause": cause} if cause else {}),
        )
        if not written:
            self._ctx.metrics.count_bound("smtp_log_lines")


def _plain(address: Address | None) -> str:
    # Escaped to printable ASCII: no control character of an address reaches a terminal through the log.
    return str(address).encode("unicode_escape").decode("ascii") if address else "<>"


def _plain_words(words: str) -> str:
    return words.encode("unicode_escape").decode("ascii")[:_CAUSE]
