"""A smarthost: encrypted, signed in, and what a lost connection means."""

import asyncio
import socket
import ssl

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult

from relay.errors import CourierBusy, CourierRefused
from relay.outbound.in_time import in_time_until
from relay.outbound.smarthost import Smarthost, SmarthostCourier, connect
from store.errors import SendUnconfirmed
from store.sending import LEASE

from .drafting import composed, draft
from .lines import Cut

RAW = composed(draft(text=".dot\n..\nend")).raw


class Host:
    """Takes what it is told to, and remembers it."""

    def __init__(self):
        self.mails, self.rcpt, self.data = [], {}, "250 2.0.0 Ok: queued as Q4711"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address in self.rcpt:
            return self.rcpt[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if self.data.startswith("250"):
            self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content, session.ssl is not None))
        return self.data


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
async def host(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    made = Host()

    def authenticate(server, session, envelope, mechanism, data):
        return AuthResult(success=(data.login, data.password) == (b"me", b"right"), handled=False)

    def speak(tls):
        return SMTP(
            made,
            hostname="host.example",
            tls_context=context if tls else None,
            authenticator=authenticate,
            auth_require_tls=True,
        )

    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda tls=tls: speak(tls), "127.0.0.1", 0) for tls in (True, False)]
    made.port, made.clear_port = (server.sockets[0].getsockname()[1] for server in servers)
    yield made
    for server in servers:
        server.close()
    await asyncio.sleep(0.05)


@pytest.fixture
async def carry(authority):
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    made = []

    def carry(port, *recipients, in_time=lambda: None, **options):
        made.append(
            SmarthostCourier(
                Smarthost(host="127.0.0.1", port=port, hostname="us.example", seconds=30, **options), trust=trust
            )
        )
        to = recipients or ("ana@example.com",)
        about = {"mail_from": "bot@agents.example", "recipients": to, "attempt_id": "att_1", "in_time": in_time}
        return made[-1].carry(RAW, **about)

    yield carry
    for each in made:
        await each.close()


async def test_a_mail_goes_encrypted_and_signed_in_byte_for_byte(host, carry):
    assert "Q4711" == await carry(host.port, "ana@example.com", "hidden@example.com", username="me", password="right")

    assert [("bot@agents.example", ["ana@example.com", "hidden@example.com"], RAW, True)] == host.mails


async def test_a_host_that_tells_no_id_gives_the_attempts(host, carry):
    host.data = "250 fine"

    assert "att_1" == await carry(host.port)


@pytest.mark.parametrize("tls", ["starttls", "none"])
async def test_the_dot_does_not_wait_for_the_host_s_word_on_what_went_before(host, authority, tls):
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    smarthost = Smarthost(
        host="127.0.0.1", port=host.port if tls == "starttls" else host.clear_port, hostname="us", tls=tls
    )

    with await asyncio.to_thread(connect, smarthost, trust=trust) as smtp:
        assert smtp.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await asyncio.to_thread(smtp.quit)


async def test_nothing_goes_in_clear_instead(host, carry):
    with pytest.raises(CourierBusy, match="STARTTLS"):
        await carry(host.clear_port)
    assert [] == host.mails

    await carry(host.clear_port, tls="none")
    assert 1 == len(host.mails)


async def test_a_wrong_password_is_for_the_operator_to_mend(host, carry):
    with pytest.raises(CourierBusy, match="535"):
        await carry(host.port, username="me", password="wrong")


@pytest.mark.parametrize(("answer", "kind"), [("550 5.1.1 Nobody", CourierRefused), ("451 4.2.0 Later", CourierBusy)])
async def test_a_recipient_that_is_not_taken_stops_the_mail_for_all(host, carry, answer, kind):
    host.rcpt["bo@example.com"] = answer

    with pytest.raises(kind, match=f"bo@example.com: {answer}"):
        await carry(host.port, "ana@example.com", "bo@example.com")
    assert [] == host.mails


@pytest.mark.parametrize(("answer", "kind"), [("554 5.7.1 Spam", CourierRefused), ("452 4.3.1 Full", CourierBusy)])
async def test_a_mail_that_is_not_taken_was_not(host, carry, answer, kind):
    host.data = answer

    with pytest.raises(kind, match=answer):
        await carry(host.port)


async def test_an_answer_to_the_dot_that_is_none_leaves_it_in_doubt(host, carry):
    host.data = "354 go on"

    with pytest.raises(SendUnconfirmed, match="354"):
        await carry(host.port)


async def test_nobody_listening_is_certainly_not_sent(carry):
    with pytest.raises(CourierBusy):
        await carry(1)


@pytest.mark.parametrize("up", [b"FROM:<bot", b"DATA\r\n", b"MIME-Version"])
async def test_a_line_cut_before_the_dot_is_certainly_not_sent(host, carry, up):
    async with Cut(host.clear_port, up=up) as line:
        with pytest.raises((CourierBusy, SendUnconfirmed)) as caught:
            await carry(line.port, tls="none")

    assert [] == host.mails
    assert up == b"MIME-Version" or isinstance(caught.value, CourierBusy)  # a whole mail may lie in the socket by then


@pytest.mark.parametrize("slow", ["before the line", "before the dot"])
async def test_a_mail_that_takes_longer_than_its_claim_is_kept_back(host, carry, clock, slow):
    in_time = in_time_until(clock.now() + LEASE, clock=clock)

    async def think(server, session, envelope, address, options):
        clock.advance(minutes=4)
        envelope.mail_from = address
        return "250 OK"

    if slow == "before the line":
        clock.advance(minutes=4)
    else:
        host.handle_MAIL = think

    with pytest.raises(CourierBusy, match="nearly over"):
        await carry(host.clear_port, tls="none", in_time=in_time)

    assert [] == host.mails


async def test_an_answer_to_the_dot_cut_off_leaves_it_in_doubt(host, carry):
    async with Cut(host.clear_port, down=b"queued as") as line:
        with pytest.raises(SendUnconfirmed):
            await carry(line.port, tls="none")

    assert 1 == len(host.mails)
