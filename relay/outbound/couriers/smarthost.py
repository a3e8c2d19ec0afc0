"""Carries mail to a smarthost over SMTP (RFC 5321, RFC 6409), on threads of its own.

Two moments decide what a lost connection means: until the line with the dot is sent the host cannot
have taken the mail; from then on only its answer says that it did not (RFC 5321 §4.2.5, RFC 1047).
"""

import asyncio
import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, Literal

from relay.errors import CourierBusy, CourierRefused
from relay.outbound.couriers.lease_guard import LeaseCheck
from store.errors import SendUnconfirmed

Tls = Literal["starttls", "tls", "none"]

_SECONDS: Final = 60.0
_THREADS: Final = 8
_MAX_WORDS: Final = 500
_DOT: Final = re.compile(rb"^\.", re.MULTILINE)
_ID: Final = r"<?((?=[^\s>]*\d)[!-;=?-~]{4,200})"  # whatever a host calls its mails by, it counts
_QUEUE_ID: Final = re.compile(rf"(?:queued as |\bid=|\bok:? (?!queued)){_ID}", re.IGNORECASE)
_NOT_SIGNED_IN: Final = frozenset({530, 534, 535, 538})  # RFC 4954 §6: for the operator to mend, no fault of the mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Smarthost:
    """Where the host is and how it is spoken to."""

    host: str
    port: int
    hostname: str  # ours, for EHLO
    tls: Tls = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    seconds: float = _SECONDS  # that one answer may take


class SmarthostCourier:
    """A connection for each mail: what became of one says nothing about another."""

    def __init__(self, smarthost: Smarthost, *, trust: ssl.SSLContext | None = None) -> None:
        self._smarthost = smarthost
        self._trust = trust or ssl.create_default_context()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="smarthost")

    async def carry(
        self, raw: bytes, *, mail_from: str, recipients: Sequence[str], attempt_id: str, check_lease: LeaseCheck
    ) -> str:
        """As Courier says; the id is the host's own for its queue, where its answer tells one."""
        loop = asyncio.get_running_loop()
        told = await loop.run_in_executor(self._threads, self._hand_over, raw, mail_from, recipients, check_lease)
        return _queue_id(told) or attempt_id

    async def close(self) -> None:
        """Wait for what is being carried."""
        await asyncio.to_thread(self._threads.shutdown)

    def _hand_over(self, raw: bytes, mail_from: str, recipients: Sequence[str], check_lease: LeaseCheck) -> str:
        check_lease()  # it may have stood in line for a thread
        try:
            smtp = connect(self._smarthost, trust=self._trust)
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise CourierBusy(f"the smarthost: {_words_of(error)}") from error
        try:
            _offer(smtp, raw, mail_from, recipients)
            check_lease()  # a slow host may have taken minutes so far, and the dot cannot be taken back
            return _finish(smtp)
        finally:
            _part(smtp)


def sign_in(to: Smarthost) -> None:
    """Sign in, and leave again without a mail. Raises CourierBusy with what was in the way."""
    try:
        _part(connect(to, trust=ssl.create_default_context()))
    except (smtplib.SMTPException, OSError, UnicodeError) as error:
        raise CourierBusy(f"the smarthost: {_words_of(error)}") from error


def connect(to: Smarthost, *, trust: ssl.SSLContext) -> smtplib.SMTP:
    """A connection that is encrypted and signed in as it should be.

    Raises SMTPException, OSError or UnicodeError, and then it is closed again.
    """
    if to.tls == "tls":
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(to.host, to.port, to.hostname, timeout=to.seconds, context=trust)
    else:
        smtp = smtplib.SMTP(to.host, to.port, to.hostname, timeout=to.seconds)
    try:
        assert smtp.sock is not None, "it is connected"
        # The dot is sent by itself, and would wait 40 ms for the host's word on what went before.
        smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if to.tls == "starttls":
            smtp.starttls(context=trust)  # raises where it is not offered: nothing goes in clear instead
        if to.username is not None:
            smtp.login(to.username, to.password or "")
        smtp.ehlo_or_helo_if_needed()
    except BaseException:
        smtp.close()
        raise
    return smtp


def _offer(smtp: smtplib.SMTP, raw: bytes, mail_from: str, recipients: Sequence[str]) -> None:
    """Everything up to the dot, which stays unsent: whatever happens here, the host has not got the mail."""
    size = [f"SIZE={len(raw)}"] if smtp.has_extn("size") else []
    try:
        _expect(250, *smtp.mail(mail_from, size))
        for recipient in recipients:
            _expect(250, *smtp.rcpt(recipient), whom=recipient)
        _expect(354, *smtp.docmd("DATA"))
        smtp.send(_DOT.sub(b"..", raw))
    except (smtplib.SMTPException, OSError) as error:
        raise CourierBusy(f"the smarthost: {_words_of(error)}") from error


def _finish(smtp: smtplib.SMTP) -> str:
    try:
        smtp.send(b".\r\n")
        code, words = smtp.getreply()
    except (smtplib.SMTPException, OSError) as error:
        raise SendUnconfirmed(f"the smarthost may have the mail: {_words_of(error)}") from error
    if code // 100 not in {2, 4, 5}:
        raise SendUnconfirmed(f"the smarthost may have the mail: it answered {code}")
    _expect(250, code, words)
    return words.decode("utf-8", "replace")


def _expect(wanted: int, code: int, words: bytes, *, whom: str = "") -> None:
    """Raise what *code* means, if it is not the one that goes on (RFC 5321 §4.2.1)."""
    if code // 100 == wanted // 100:
        return
    told = f"the smarthost{f' about {whom}' if whom else ''}: {code} {_shown(words)}"
    if 500 <= code < 600 and code not in _NOT_SIGNED_IN:
        raise CourierRefused(told)
    raise CourierBusy(told)


def _part(smtp: smtplib.SMTP) -> None:
    """Say goodbye to whom that still means something."""
    with contextlib.suppress(smtplib.SMTPException, OSError):
        if smtp.sock is not None:
            smtp.sock.settimeout(1)
            smtp.quit()
    smtp.close()


def _queue_id(told: str) -> str | None:
    found = _QUEUE_ID.search(told)
    return found[1] if found else None


def _words_of(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        words = error.smtp_error
        return f"{error.smtp_code} {_shown(words if isinstance(words, bytes) else words.encode())}"
    return " ".join((str(error) or type(error).__name__).split())[:_MAX_WORDS]


def _shown(words: bytes) -> str:
    text = " ".join(words.decode("utf-8", "replace").split())[:_MAX_WORDS]
    return "".join(sign if sign.isprintable() else "?" for sign in text)
