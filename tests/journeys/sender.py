"""Those who send: by real SMTP, with signatures of dkimpy's."""

import asyncio
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass

from tests.auth.mails import signed

SENDER = "ana@example.com"
LETTER = (
    b"From: Ana <ana@example.com>\r\n"
    b"To: hook@agents.example\r\n"
    b"Subject: Is dinner ready?\r\n"
    b"Date: Mon, 23 Nov 2026 15:17:00 +0000\r\n"
    b"Message-ID: <%d@example.com>\r\n"
    b"\r\n"
    b"Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n"
)
BOUNCE = (
    b"From: Mail Delivery <mailer-daemon@example.com>\r\n"
    b"To: hook@agents.example\r\n"
    b"Subject: Undelivered Mail Returned to Sender\r\n"
    b"Auto-Submitted: auto-replied\r\n"
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n"
    b"\r\n"
    b"--x\r\n\r\nIt could not be delivered.\r\n"
    b"--x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n--x--\r\n"
)


@dataclass(frozen=True)
class Reply:
    """What the relay said last."""

    code: int
    text: str

    @property
    def ids(self) -> list[str]:
        return [word for word in self.text.split() if word.startswith("msg_")]

    @property
    def status(self) -> tuple[int, str]:
        """The code and the enhanced one."""
        return self.code, self.text.partition(" ")[0]


def letter(number: int = 1) -> bytes:
    """A letter from Ana, with no proof of it."""
    return LETTER % number


def signed_letter(number: int = 1) -> bytes:
    """A letter from Ana that her domain has signed."""
    return signed(letter(number))


def send(
    smtp: tuple[str, int], mail: bytes, *to: str, mail_from: str = SENDER, tls: ssl.SSLContext | None = None
) -> Reply:
    """The answer to one mail, or to whichever command of it was refused."""
    with smtplib.SMTP(*smtp, local_hostname="mx.example.com", timeout=60) as client:
        client.ehlo()
        if tls is not None:
            client.starttls(context=tls)
            client.ehlo()
        return transact(client, mail, *to, mail_from=mail_from)


def transact(client: smtplib.SMTP, mail: bytes, *to: str, mail_from: str = SENDER) -> Reply:
    """One mail in an open session; none is left open."""
    reply = _said(client.mail(mail_from))
    for recipient in to:
        if reply.code == 250:
            reply = _said(client.rcpt(recipient))
    if reply.code != 250:
        client.rset()
        return reply
    with suppress(smtplib.SMTPDataError):
        return _said(client.data(mail))
    raise AssertionError("DATA itself was refused")


async def sent(smtp: tuple[str, int], mail: bytes, *to: str, **more) -> list[str]:
    """The message ids of a mail that must be accepted."""
    reply = await asyncio.to_thread(send, smtp, mail, *to, **more)
    assert reply.code == 250, reply
    assert len(reply.ids) == len(to)
    return reply.ids


async def answered(smtp: tuple[str, int], mail: bytes, *to: str, **more) -> tuple[int, str]:
    """What becomes of a mail: the code and the enhanced one."""
    return (await asyncio.to_thread(send, smtp, mail, *to, **more)).status


def _said(answer: tuple[int, bytes]) -> Reply:
    return Reply(answer[0], answer[1].decode())
