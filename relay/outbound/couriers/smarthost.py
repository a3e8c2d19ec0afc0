"""Hand mail over to a smarthost over SMTP (RFC 5321, RFC 6409), on threads of its own.

The line with the dot decides what a lost connection means: before it is sent the host cannot have accepted the mail;
after it only the host's reply tells (RFC 5321 §4.2.5, RFC 1047).
"""

import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal

from relay.errors import CourierBusy, CourierRefused
from relay.metrics import CountBound, uncounted_bound
from relay.outbound.couriers.bounded_answer import BoundedReplies, BoundedRepliesOverTls
from relay.outbound.couriers.handover_threads import HandoverThreads
from relay.outbound.couriers.lease_guard import LeaseCheck
from store.errors import SendUnconfirmed

Tls = Literal["starttls", "tls", "none"]

_SECONDS: Final = 60.0
_MAX_ERROR: Final = 500
_DOT: Final = re.compile(rb"^\.", re.MULTILINE)
_ID: Final = r"<?((?=[^\s>]*\d)[!-;=?-~]{4,200})"  # a queue id has a digit
_QUEUE_ID: Final = re.compile(rf"(?:queued as |\bid=|\bok:? (?!queued)){_ID}", re.IGNORECASE)
_NOT_SIGNED_IN: Final = frozenset({530, 534, 535, 538})  # RFC 4954 §6: the login is wrong, not the mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Smarthost:
    """Address, encryption and login of a smarthost."""

    host: str
    port: int
    hostname: str  # ours, for EHLO
    tls: Tls = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    seconds: float = _SECONDS  # timeout of one reply


class SmarthostCourier:
    """The courier for a smarthost; each mail has a connection of its own, so one failure touches one mail."""

    def __init__(
        self, smarthost: Smarthost, *, trust: ssl.SSLContext | None = None, count: CountBound = uncounted_bound
    ) -> None:
        """*count* is called with the name of a bound that a reply reaches."""
        self._smarthost = smarthost
        self._count = count
        self._trust = trust or ssl.create_default_context()
        self._threads = HandoverThreads("smarthost")

    async def carry(
        self, raw: bytes, *, mail_from: str, recipients: Sequence[str], attempt_id: str, check_lease: LeaseCheck
    ) -> str:
        """As Courier.carry; the id is the host's queue id where its reply names one, else *attempt_id*."""
        reply = await self._threads.hand_over(partial(self._hand_over, raw, mail_from, recipients, check_lease))
        return _queue_id(reply) or attempt_id

    def stop_accepting(self) -> None:
        """As Courier.stop_accepting."""
        self._threads.stop_accepting()

    async def close(self) -> None:
        """As Courier.close."""
        await self._threads.close()

    def _hand_over(self, raw: bytes, mail_from: str, recipients: Sequence[str], check_lease: LeaseCheck) -> str:
        check_lease()  # the mail may have waited long for a thread
        try:
            smtp = connect(self._smarthost, trust=self._trust, count=self._count)
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise CourierBusy(f"the smarthost: {_error_text(error)}") from error
        try:
            _offer(smtp, raw, mail_from, recipients)
            check_lease()  # a slow host may have taken minutes, and the dot cannot be taken back
            return _finish(smtp)
        finally:
            _quit(smtp)


def sign_in(to: Smarthost) -> None:
    """Check the login: connect, sign in and quit without a mail. Raises CourierBusy with the cause."""
    try:
        _quit(connect(to, trust=ssl.create_default_context()))
    except (smtplib.SMTPException, OSError, UnicodeError) as error:
        raise CourierBusy(f"the smarthost: {_error_text(error)}") from error


def connect(to: Smarthost, *, trust: ssl.SSLContext, count: CountBound = uncounted_bound) -> smtplib.SMTP:
    """Open a connection, encrypted and signed in as *to* demands.

    Raises SMTPException, OSError or UnicodeError; the connection is closed then.
    """
    where = (to.host, to.port, to.hostname)
    smtp: smtplib.SMTP
    if to.tls == "tls":
        smtp = BoundedRepliesOverTls(*where, timeout=to.seconds, context=trust, count=count)
    else:
        smtp = BoundedReplies(*where, timeout=to.seconds, count=count)
    try:
        assert smtp.sock is not None, "it is connected"
        # The dot is a packet of its own; with Nagle's algorithm it would wait 40 ms for the host's ACK.
        smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if to.tls == "starttls":
            smtp.starttls(context=trust)  # raises where the host does not offer it: no fallback to clear text
        if to.username is not None:
            smtp.login(to.username, to.password or "")
        smtp.ehlo_or_helo_if_needed()
    except BaseException:
        smtp.close()
        raise
    return smtp


def _offer(smtp: smtplib.SMTP, raw: bytes, mail_from: str, recipients: Sequence[str]) -> None:
    """Send MAIL, RCPT and DATA up to the dot, exclusive: a failure here means that the host has no mail."""
    size = [f"SIZE={len(raw)}"] if smtp.has_extn("size") else []
    try:
        _expect(250, *smtp.mail(mail_from, size))
        for recipient in recipients:
            _expect(250, *smtp.rcpt(recipient), recipient=recipient)
        _expect(354, *smtp.docmd("DATA"))
        smtp.send(_DOT.sub(b"..", raw))
    except (smtplib.SMTPException, OSError) as error:
        raise CourierBusy(f"the smarthost: {_error_text(error)}") from error


def _finish(smtp: smtplib.SMTP) -> str:
    try:
        smtp.send(b".\r\n")
        code, text = smtp.getreply()
    except (smtplib.SMTPException, OSError) as error:
        raise SendUnconfirmed(f"the smarthost may have the mail: {_error_text(error)}") from error
    if code // 100 not in {2, 4, 5}:
        raise SendUnconfirmed(f"the smarthost may have the mail: it replied {code}")
    _expect(250, code, text)
    return text.decode("utf-8", "replace")


def _expect(wanted: int, code: int, text: bytes, *, recipient: str = "") -> None:
    """Return if *code* is in the class of *wanted* (RFC 5321 §4.2.1). Raises CourierRefused, CourierBusy."""
    if code // 100 == wanted // 100:
        return
    error = f"the smarthost{f' about {recipient}' if recipient else ''}: {code} {_printable(text)}"
    if 500 <= code < 600 and code not in _NOT_SIGNED_IN:
        raise CourierRefused(error)
    raise CourierBusy(error)


def _quit(smtp: smtplib.SMTP) -> None:
    """Send QUIT if the connection is open, and close it. Raises nothing."""
    with contextlib.suppress(smtplib.SMTPException, OSError):
        if smtp.sock is not None:
            smtp.sock.settimeout(1)
            smtp.quit()
    smtp.close()


def _queue_id(reply: str) -> str | None:
    found = _QUEUE_ID.search(reply)
    return found[1] if found else None


def _error_text(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return f"{error.smtp_code} {_printable(text if isinstance(text, bytes) else text.encode())}"
    return " ".join((str(error) or type(error).__name__).split())[:_MAX_ERROR]


def _printable(reply: bytes) -> str:
    text = " ".join(reply.decode("utf-8", "replace").split())[:_MAX_ERROR]
    return "".join(sign if sign.isprintable() else "?" for sign in text)
