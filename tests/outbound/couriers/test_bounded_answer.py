"""Providers that answer without an end: little is read of each answer, and the mail is neither lost nor sent twice."""

import asyncio
import json

import pytest

from relay.errors import CourierBusy
from relay.outbound.couriers.bounded_answer import MAX_HEAD, MAX_INTERIM, MAX_REPLY, MAX_WIRE
from relay.outbound.couriers.ses.courier import SesCourier
from relay.outbound.couriers.smarthost import Smarthost, SmarthostCourier
from store.errors import SendUnconfirmed
from tests.aws import pretend
from tests.delivery.test_post import wire

QUOTA = json.dumps({"SendQuota": {"Max24HourSend": 1000, "MaxSendRate": 100, "SentLast24Hours": 0}}).encode()
SENT = json.dumps({"MessageId": "id-1"}).encode()
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
PIECE = 4096


def answer(body):
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


class Provider:
    """What a provider says after its *beginning*, over and over; counts the bytes that it could write."""

    def __init__(self, beginning=b"", again=b"", *, pause=0.0):
        self.beginning, self.again, self.pause, self.written = beginning, again, pause, 0

    async def go_on(self, writer):
        writer.write(self.beginning)
        piece = self.again * (1 if self.pause else max(1, PIECE // len(self.again)))
        while True:
            writer.write(piece)
            self.written += len(piece)
            await writer.drain()
            await asyncio.sleep(self.pause)


async def read_request(reader):
    """The path of a request, after its body has arrived."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = next((line[15:] for line in head.split("\r\n") if line.startswith("content-length:")), "0")
    await reader.readexactly(int(length))
    return head.split()[1]


@pytest.fixture
def ses(monkeypatch):
    """Sends a mail by a courier to *talk*; what came of it, and the bounds that were counted."""
    pretend(monkeypatch)

    async def send(talk, *, seconds=20.0):
        counted = []
        async with wire(talk) as port:
            courier = SesCourier(
                region="eu-west-1", endpoint_url=f"http://127.0.0.1:{port}", seconds=seconds, count=counted.append
            )
            try:
                return await carry(courier), counted
            finally:
                await courier.close()

    return send


async def carry(courier):
    """The id, or the error's class."""
    try:
        return await courier.carry(
            b"Subject: x\r\n\r\nx\r\n",
            mail_from="bot@agents.example",
            recipients=("ana@example.com",),
            attempt_id="att_1",
            check_lease=lambda: None,
        )
    except (CourierBusy, SendUnconfirmed) as error:
        return type(error)


def sent_mail(provider):
    """A conversation: the quota at once, and *provider* answers to the mail."""

    async def talk(reader, writer):
        while True:
            if "account" in await read_request(reader):
                writer.write(answer(QUOTA))
            else:
                await provider.go_on(writer)

    return talk


ENDLESS = {
    "interim answers": (Provider(again=CONTINUE), "ses_answer_head"),
    "interim answers of another kind": (Provider(again=HINTS), "ses_answer_head"),
    "fields": (Provider(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"), "ses_answer_head"),
    "one field": (Provider(b"HTTP/1.1 200 OK\r\nX-A: ", b"b"), "ses_answer_head"),
    "a status line": (Provider(b"HTTP/1.1 200 ", b"O"), "ses_answer_head"),
    "fields of an interim answer": (Provider(b"HTTP/1.1 100 Continue\r\n", b"X: y\r\n"), "ses_answer_head"),
    "a body": (Provider(b"HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n", b" "), "ses_answer_body"),
    "a body without length": (Provider(b"HTTP/1.0 200 OK\r\n\r\n", b" "), "ses_answer_body"),
    "chunks": (Provider(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"), "ses_answer_body"),
    "chunk extensions": (
        Provider(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 900 + b"\r\n \r\n"),
        "ses_answer_body",
    ),
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_an_answer_of_ses_without_an_end_is_broken_off_counted_and_leaves_the_mail_in_doubt(ses, name):
    provider, bound = ENDLESS[name]

    assert (SendUnconfirmed, [bound]) == await ses(sent_mail(provider))
    assert provider.written < MAX_HEAD + MAX_WIRE + 16 * 1024 * 1024  # the rest is in the buffers of the two sockets


async def test_a_few_interim_answers_come_before_an_answer_that_counts(ses):
    async def talk(reader, writer):
        while True:
            body = QUOTA if "account" in await read_request(reader) else SENT
            writer.write(CONTINUE * (MAX_INTERIM // 2) + HINTS * (MAX_INTERIM // 2) + answer(body))

    assert ("id-1", []) == await ses(talk)


async def test_an_answer_an_octet_at_a_time_has_one_timeout_in_all(ses):
    slow = Provider(b"HTTP/1.1 200 OK\r\nX-A: ", b"b", pause=0.05)

    assert (SendUnconfirmed, []) == await ses(sent_mail(slow), seconds=2)
    assert slow.written < 200


async def test_a_quota_without_an_end_sends_no_mail(ses):
    async def talk(reader, writer):
        assert "account" in await read_request(reader)
        await Provider(again=CONTINUE).go_on(writer)

    assert (CourierBusy, ["ses_answer_head"]) == await ses(talk)


# A smarthost

STEPS = ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "."]


def smarthost(step, provider):
    """A conversation that is right up to *step*, which *provider* answers."""

    async def talk(reader, writer):
        writer.write(b"220 host\r\n") if step != "greeting" else await provider.go_on(writer)
        is_mail = False
        while line := await reader.readline():
            verb = line.decode().strip().split(" ")[0].partition(":")[0].upper()
            if is_mail and verb != ".":
                continue
            if verb == step:
                await provider.go_on(writer)
            is_mail = verb == "DATA"
            writer.write(b"354 go on\r\n" if is_mail else b"250 ok\r\n")

    return talk


async def hand_over(talk, *, seconds=20.0):
    counted = []
    async with wire(talk) as port:
        host = Smarthost(host="127.0.0.1", port=port, hostname="mx.here.example", tls="none", seconds=seconds)
        courier = SmarthostCourier(host, count=counted.append)
        try:
            return await carry(courier), counted
        finally:
            await courier.close()


async def test_a_reply_of_a_smarthost_without_an_end_is_broken_off_at_each_step_and_counted():
    for step in STEPS:
        code = {"greeting": b"220", "DATA": b"354"}.get(step, b"250")
        lines = Provider(again=code + b"-more\r\n")
        expected = SendUnconfirmed if step == "." else CourierBusy

        assert (expected, ["smarthost_reply"]) == await hand_over(smarthost(step, lines)), step
        assert lines.written < MAX_REPLY + 16 * 1024 * 1024


async def test_a_reply_of_a_smarthost_a_line_at_a_time_has_one_timeout_in_all():
    slow = Provider(again=b"250-more\r\n", pause=0.05)

    assert (SendUnconfirmed, []) == await hand_over(smarthost(".", slow), seconds=2)
    assert slow.written < 2000
