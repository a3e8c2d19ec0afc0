"""Block lists and greylisting, which are off by default."""

from ipaddress import ip_address

import pytest
import structlog.testing

from relay.errors import Greylisted, PeerListed
from relay.inbound.peer_policy import KNOWN_SECONDS, RETRY_SECONDS, PeerPolicy, list_name
from relay.mail.address import Address, parse_mailbox
from relay.smtp.replies import mail_outcome, reply_to
from relay.smtp.server import SmtpServer
from tests.fakes import FakeClock, FakeResolver
from tests.smtp.collector import Client, MailCollector

LISTED = "7.2.0.192.bl.test"


def policy(answers=(), *, down=(), **options):
    zone = {(LISTED, "A"): answers} if answers else {}
    return PeerPolicy(FakeResolver(zone, down=down), **{"clock": FakeClock()} | options)


def mail(sender="a@sender.test", *, ip="192.0.2.7", to="bot@agents.test"):
    """What check asks about: peer, reverse-path, recipient."""
    return ip_address(ip), Address(*sender.split("@")) if sender else None, parse_mailbox(to)


@pytest.mark.parametrize("answer", ["127.0.0.2", "127.0.0.10", "127.1.2.3"])
async def test_a_peer_on_a_list_is_refused(answer):
    counted = []
    with pytest.raises(PeerListed) as caught:
        await policy([answer], zones=["other.test", "bl.test"], count=counted.append).check(*mail())

    assert ("550", "5.7.1") == tuple(reply_to(caught.value).wire.decode().split()[:2])
    assert "refused" == mail_outcome(caught.value)
    assert ["smtp_dnsbl"] == counted


@pytest.mark.parametrize("answer", ["127.255.255.254", "127.255.255.255", "127.0.0.1", "192.0.2.1", "x", ""])
async def test_an_answer_that_is_no_listing_refuses_no_mail(answer):
    await policy([answer], zones=["bl.test"]).check(*mail())


async def test_a_list_that_does_not_answer_lists_no_peer():
    await policy(["127.0.0.2"], down=[LISTED], zones=["bl.test"]).check(*mail())


async def test_a_peer_that_is_not_listed_passes_and_by_default_no_list_is_asked():
    await policy(["127.0.0.2"], zones=["bl.test"]).check(*mail(ip="192.0.2.8"))
    await policy(["127.0.0.2"]).check(*mail())
    await policy(["127.0.0.2"], zones=["bl.test"]).check(*mail(ip="127.0.0.1"))


def test_an_ipv6_address_is_asked_for_by_its_digits():
    name = list_name(ip_address("2001:db8::1"), "bl.test")

    assert name == "1." + "0." * 23 + "8.b.d.0.1.0.0.2.bl.test"


async def test_an_unknown_peer_is_deferred_once_and_then_known():
    policed = policy(greylist_seconds=300)
    with pytest.raises(Greylisted) as caught:
        await policed.check(*mail())
    assert reply_to(caught.value).wire.startswith(b"451 4.7.1 ")
    assert "deferred" == mail_outcome(caught.value)
    policed._clock.advance(seconds=299)
    with pytest.raises(Greylisted):
        await policed.check(*mail())

    policed._clock.advance(seconds=2)
    await policed.check(*mail())
    await policed.check(*mail("other@sender.test"))

    with pytest.raises(Greylisted):
        await policed.check(*mail(ip="192.0.2.8"))


@pytest.mark.parametrize("late", [RETRY_SECONDS + 1, RETRY_SECONDS * 3])
async def test_a_try_that_comes_too_late_is_a_first_one(late):
    policed = policy(greylist_seconds=300)
    for _ in range(2):
        with pytest.raises(Greylisted):
            await policed.check(*mail())
        policed._clock.advance(seconds=late)


async def test_a_known_peer_that_has_not_written_for_long_is_unknown():
    policed = policy(greylist_seconds=300)
    with pytest.raises(Greylisted):
        await policed.check(*mail())
    policed._clock.advance(seconds=301)
    await policed.check(*mail())
    policed._clock.advance(seconds=KNOWN_SECONDS + 1)

    with pytest.raises(Greylisted):
        await policed.check(*mail())


async def test_the_memory_of_first_tries_is_bounded():
    policed = policy(greylist_seconds=300)
    for number in range(51_000):
        with pytest.raises(Greylisted):
            await policed.check(*mail(f"a{number}@sender.test"))

    assert 50_000 == len(policed._first)


async def test_postmaster_and_abuse_are_written_to_by_listed_and_by_unknown_peers():
    policed = policy(["127.0.0.2"], zones=["bl.test"], greylist_seconds=300)
    for to in ("postmaster@agents.test", "Abuse@agents.test", "POSTMASTER+x@agents.test"):
        await policed.check(*mail(to=to))

    for to in ("postmasters@agents.test", "x+abuse@agents.test"):
        with pytest.raises(PeerListed):
            await policed.check(*mail(to=to))


async def test_each_recipient_of_a_first_mail_is_deferred_and_one_that_comes_again_makes_the_peer_known():
    policed = policy(greylist_seconds=300)
    for to in ("bot@agents.test", "cat@agents.test"):
        with pytest.raises(Greylisted):
            await policed.check(*mail(None, to=to))
    policed._clock.advance(seconds=301)

    await policed.check(*mail(None, to="cat@agents.test"))
    await policed.check(*mail(None, to="dog@agents.test"))


async def test_a_listed_peer_is_in_the_log_once_a_minute_and_counted_each_time():
    counted = []
    policed = policy(["127.0.0.2"], zones=["bl.test"], count=counted.append)
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            with pytest.raises(PeerListed):
                await policed.check(*mail())
        policed._clock.advance(seconds=61)
        with pytest.raises(PeerListed):
            await policed.check(*mail())

    assert (["peer_listed"] * 2, 4) == ([line["event"] for line in lines], len(counted))


@pytest.mark.parametrize(
    ("options", "reply"), [({"zones": ["bl.test"]}, "550 5.7.1"), ({"greylist_seconds": 300}, "451 4.7.1")]
)
async def test_rcpt_is_refused_and_no_octet_of_the_mail_is_taken(options, reply):
    policed = policy(["127.0.0.2"], **options)
    collector = MailCollector()

    async def as_stranger(_ip, mail_from, recipient):
        await policed.check(ip_address("192.0.2.7"), mail_from, recipient)

    server = SmtpServer(
        admit=collector.admit, receive=collector.receive, hostname="mx.here.example", check_peer=as_stranger
    )
    await server.start([("127.0.0.1", 0)])
    client = await Client.connect(server.addresses[0])
    try:
        await client.greet()
        client.send(
            b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<nobody@agents.test>\r\nRCPT TO:<bot@agents.test>\r\nDATA\r\n"
        )
        replies = [await client.reply() for _ in range(4)]
        assert ["250 2.1.0", "550 5.1.1", reply, "503 5.5.1"] == [each[:9] for each in replies]

        accepted = await client.say("RCPT TO:<postmaster@agents.test>")
        assert ("250", "354") == (accepted[:3], (await client.say("DATA"))[:3])
        assert (await client.say("Subject: why\r\n\r\nam I listed?\r\n.")).startswith("250 2.0.0")
        assert [["postmaster@agents.test"]] == [[str(to) for to in mail.rcpt_to] for mail, _ in collector.mails]
    finally:
        await client.close()
        await server.stop(0)
