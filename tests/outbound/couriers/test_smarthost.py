"""A smarthost: encrypted, signed in, and what a lost connection means."""

import asyncio
import socket
import ssl

import pytest
import trustme

from relay.errors import CourierBusy, CourierRefused
from relay.outbound.couriers.lease_guard import make_lease_check
from relay.outbound.couriers.smarthost import Smarthost, SmarthostCourier, connect
from store.errors import SendUnconfirmed
from store.outbound.sending import LEASE
from tests.outbound.couriers.host import TLS, Host
from tests.outbound.drafting import composed, draft
from tests.outbound.lines import Cut

RAW = composed(draft(text=".dot\n..\nend")).raw


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
async def host(authority):
    async with Host(authority) as opened:
        yield opened


@pytest.fixture
async def carry(authority):
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    made = []

    def carry(port, *recipients, check_lease=lambda: None, **options):
        made.append(
            SmarthostCourier(
                Smarthost(host="127.0.0.1", port=port, hostname="us.example", seconds=30, **options), trust=trust
            )
        )
        to = recipients or ("ana@example.com",)
        about = {"mail_from": "bot@agents.example", "recipients": to, "attempt_id": "att_1", "check_lease": check_lease}
        return made[-1].carry(RAW, **about)

    yield carry
    for each in made:
        await each.close()


async def test_a_mail_goes_encrypted_and_signed_in_byte_for_byte(host, carry):
    assert "Q4711" == await carry(
        host.ports["starttls"], "ana@example.com", "hidden@example.com", username="me", password="right"
    )

    assert [("bot@agents.example", ["ana@example.com", "hidden@example.com"], RAW, True)] == host.mails


async def test_a_host_that_tells_no_id_gives_the_attempts(host, carry):
    host.data = "250 fine"

    assert "att_1" == await carry(host.ports["starttls"])


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_mail_goes_encrypted_from_whichever_byte(host, carry, tls):
    await carry(host.ports[tls], tls=tls, username="me", password="right")

    assert [True] == [encrypted for *_, encrypted in host.mails]


@pytest.mark.parametrize("tls", TLS)
async def test_the_dot_does_not_wait_for_the_host_s_word_on_what_went_before(host, authority, tls):
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    smarthost = Smarthost(host="127.0.0.1", port=host.ports[tls], hostname="us", tls=tls)

    with await asyncio.to_thread(connect, smarthost, trust=trust) as smtp:
        assert smtp.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await asyncio.to_thread(smtp.quit)


async def test_nothing_goes_in_clear_instead(host, carry):
    with pytest.raises(CourierBusy, match="STARTTLS"):
        await carry(host.ports["none"])
    assert [] == host.mails

    await carry(host.ports["none"], tls="none")
    assert 1 == len(host.mails)


async def test_a_wrong_password_is_for_the_operator_to_mend(host, carry):
    with pytest.raises(CourierBusy, match="535"):
        await carry(host.ports["starttls"], username="me", password="wrong")


@pytest.mark.parametrize(("answer", "kind"), [("550 5.1.1 Nobody", CourierRefused), ("451 4.2.0 Later", CourierBusy)])
async def test_a_recipient_that_is_not_taken_stops_the_mail_for_all(host, carry, answer, kind):
    host.rcpt["bo@example.com"] = answer

    with pytest.raises(kind, match=f"bo@example.com: {answer}"):
        await carry(host.ports["starttls"], "ana@example.com", "bo@example.com")
    assert [] == host.mails


@pytest.mark.parametrize(("answer", "kind"), [("554 5.7.1 Spam", CourierRefused), ("452 4.3.1 Full", CourierBusy)])
async def test_a_mail_that_is_not_taken_was_not(host, carry, answer, kind):
    host.data = answer

    with pytest.raises(kind, match=answer):
        await carry(host.ports["starttls"])


async def test_an_answer_to_the_dot_that_is_none_leaves_it_in_doubt(host, carry):
    host.data = "354 go on"

    with pytest.raises(SendUnconfirmed, match="354"):
        await carry(host.ports["starttls"])


async def test_nobody_listening_is_certainly_not_sent(carry):
    with pytest.raises(CourierBusy):
        await carry(1)


@pytest.mark.parametrize("up", [b"FROM:<bot", b"DATA\r\n", b"MIME-Version"])
async def test_a_line_cut_before_the_dot_is_certainly_not_sent(host, carry, up):
    async with Cut(host.ports["none"], up=up) as line:
        with pytest.raises((CourierBusy, SendUnconfirmed)) as caught:
            await carry(line.port, tls="none")

    assert [] == host.mails
    assert up == b"MIME-Version" or isinstance(caught.value, CourierBusy)  # a whole mail may lie in the socket by then


@pytest.mark.parametrize("slow", ["before the line", "before the dot"])
async def test_a_mail_that_takes_longer_than_its_claim_is_kept_back(host, carry, clock, slow):
    check_lease = make_lease_check(clock.now() + LEASE, clock=clock)

    async def think(server, session, envelope, address, options):
        clock.advance(minutes=4)
        envelope.mail_from = address
        return "250 OK"

    if slow == "before the line":
        clock.advance(minutes=4)
    else:
        host.handle_MAIL = think

    with pytest.raises(CourierBusy, match="nearly over"):
        await carry(host.ports["none"], tls="none", check_lease=check_lease)

    assert [] == host.mails


async def test_an_answer_to_the_dot_cut_off_leaves_it_in_doubt(host, carry):
    async with Cut(host.ports["none"], down=b"queued as") as line:
        with pytest.raises(SendUnconfirmed):
            await carry(line.port, tls="none")

    assert 1 == len(host.mails)


async def test_a_smarthost_courier_used_after_close_answers_that_it_is_busy(host):
    courier = SmarthostCourier(Smarthost(host="127.0.0.1", port=host.ports["none"], hostname="us.example", tls="none"))
    await courier.close()

    with pytest.raises(CourierBusy, match="stopping"):
        await courier.carry(
            RAW, mail_from="bot@agents.example", recipients=["ana@example.com"], attempt_id="att_1", check_lease=print
        )
    assert [] == host.mails
