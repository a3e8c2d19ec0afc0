"""Block lists and greylisting, which are off by default."""

import pytest

from relay.errors import Greylisted, PeerListed
from relay.inbound.peer_policy import KNOWN_SECONDS, RETRY_SECONDS, PeerPolicy, list_name
from relay.mail.address import Address
from relay.mail.envelope import Envelope
from relay.smtp.replies import mail_outcome, reply_to
from tests.auth.mails import envelope
from tests.fakes import FakeClock, FakeResolver

LISTED = "7.2.0.192.bl.test"


def policy(answers=(), *, down=(), **options):
    zone = {(LISTED, "A"): answers} if answers else {}
    return PeerPolicy(FakeResolver(zone, down=down), **{"clock": FakeClock()} | options)


def mail(sender="a@sender.test", *, ip="192.0.2.7", to="bot@agents.test"):
    made = envelope(sender, ip=ip)
    return Envelope(peer=made.peer, mail_from=made.mail_from, rcpt_to=(Address(*to.split("@")),))


@pytest.mark.parametrize("answer", ["127.0.0.2", "127.0.0.10", "127.1.2.3"])
async def test_a_peer_on_a_list_is_refused(answer):
    counted = []
    with pytest.raises(PeerListed) as caught:
        await policy([answer], zones=["other.test", "bl.test"], count=counted.append).check(mail())

    assert ("550", "5.7.1") == tuple(reply_to(caught.value).wire.decode().split()[:2])
    assert "refused" == mail_outcome(caught.value)
    assert ["smtp_dnsbl"] == counted


@pytest.mark.parametrize("answer", ["127.255.255.254", "127.255.255.255", "127.0.0.1", "192.0.2.1", "x", ""])
async def test_an_answer_that_is_no_listing_refuses_no_mail(answer):
    await policy([answer], zones=["bl.test"]).check(mail())


async def test_a_list_that_does_not_answer_lists_no_peer():
    await policy(["127.0.0.2"], down=[LISTED], zones=["bl.test"]).check(mail())


async def test_a_peer_that_is_not_listed_passes_and_by_default_no_list_is_asked():
    await policy(["127.0.0.2"], zones=["bl.test"]).check(mail(ip="192.0.2.8"))
    await policy(["127.0.0.2"]).check(mail())
    await policy(["127.0.0.2"], zones=["bl.test"]).check(mail(ip="127.0.0.1"))


def test_an_ipv6_address_is_asked_for_by_its_digits():
    name = list_name(mail(ip="2001:db8::1").peer.ip, "bl.test")

    assert name == "1." + "0." * 23 + "8.b.d.0.1.0.0.2.bl.test"


async def test_an_unknown_peer_is_deferred_once_and_then_known():
    policed = policy(greylist_seconds=300)
    with pytest.raises(Greylisted) as caught:
        await policed.check(mail())
    assert reply_to(caught.value).wire.startswith(b"451 4.7.1 ")
    assert "deferred" == mail_outcome(caught.value)
    policed._clock.advance(seconds=299)
    with pytest.raises(Greylisted):
        await policed.check(mail())

    policed._clock.advance(seconds=2)
    await policed.check(mail())
    await policed.check(mail("other@sender.test"))

    with pytest.raises(Greylisted):
        await policed.check(mail(ip="192.0.2.8"))


@pytest.mark.parametrize("late", [RETRY_SECONDS + 1, RETRY_SECONDS * 3])
async def test_a_try_that_comes_too_late_is_a_first_one(late):
    policed = policy(greylist_seconds=300)
    for _ in range(2):
        with pytest.raises(Greylisted):
            await policed.check(mail())
        policed._clock.advance(seconds=late)


async def test_a_known_peer_that_has_not_written_for_long_is_unknown():
    policed = policy(greylist_seconds=300)
    with pytest.raises(Greylisted):
        await policed.check(mail())
    policed._clock.advance(seconds=301)
    await policed.check(mail())
    policed._clock.advance(seconds=KNOWN_SECONDS + 1)

    with pytest.raises(Greylisted):
        await policed.check(mail())


async def test_the_memory_of_first_tries_is_bounded():
    policed = policy(greylist_seconds=300)
    for number in range(51_000):
        with pytest.raises(Greylisted):
            await policed.check(mail(f"a{number}@sender.test"))

    assert 50_000 == len(policed._first)
