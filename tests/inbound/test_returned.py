"""Letters of the relay that come back: no agent gets them, their links die, and the bounce is recorded."""

from datetime import timedelta

import pytest

from relay.directory.sign_in import sign_in, sign_in_link
from relay.errors import BadLink, UnknownRecipient
from relay.outbound.letters.notify import notify
from relay.outbound.letters.review_link import review_link
from relay.signing.link import letter_nonce, read_review_token, read_sign_in_token
from store.directory.used_links import is_link_used
from store.outbound.letters_queue import claim_due_letters, enqueue_review, enqueue_sign_in
from store.outbound.outbound import create_pending_outbound_message
from store.outbound.returned_letters import list_bounced_letters
from tests.fakes import FakeCourier
from tests.inbound.way_in import HOSTNAME, OWNER, SHARED
from tests.places import new_outbound
from tests.send_contexts import BASE, make_send_context

BOT = "bot@agents.example"
EVE = "eve@owner.example"


class Relay:
    """A relay that sends letters by a courier of the test's, and receives what comes back."""

    def __init__(self, way_in):
        self.way_in, self.courier = way_in, FakeCourier()
        self.clock, self.master = way_in.places.clock, way_in.places.master
        self.ctx = make_send_context(way_in.store, self.clock, self.master, courier=self.courier)

    async def send_letter(self, enqueue):
        """Send one letter; its id and its bytes."""
        await self.way_in.store.write(enqueue)
        [letter] = await self.way_in.store.write(
            lambda tx: claim_due_letters(tx, limit=1, lease=timedelta(minutes=5), now=self.clock.now())
        )
        await notify(letter, ctx=self.ctx, sign_in=self._sign_in)
        return letter, self.courier.taken[-1][0]

    async def review(self, agent=BOT):
        """A held mail with its letter; the hash of its link."""

        def hold(tx):
            self.user = self.way_in.places.user(tx, OWNER)
            self.message = create_pending_outbound_message(
                tx, new_outbound(agent, at=self.clock.now()), ttl_seconds=3600
            )
            enqueue_review(tx, self.user.id, self.message.id, 1, now=self.clock.now())

        return await self.send_letter(hold)

    async def sign_in_letter(self):
        def ask(tx):
            self.user = self.way_in.places.user(tx, OWNER)
            enqueue_sign_in(tx, self.user.id, now=self.clock.now())

        return await self.send_letter(ask)

    def _sign_in(self, user_id, epoch, now):
        self.url = sign_in_link(user_id, epoch=epoch, base_url=BASE, key=self.master.links, nonce="n", now=now)
        return self.url

    async def has_dead_review_link(self):
        url = review_link(self.message, self.user.id, base_url=BASE, key=self.master.links)
        link = read_review_token(url.rpartition("/")[2], key=self.master.links, now=None)
        return await self.way_in.store.read(lambda tx: is_link_used(tx, link.hash))

    async def bounced(self):
        since = self.clock.now() - timedelta(days=1)
        return [
            (each.id, each.bounce)
            for each in await self.way_in.store.read(lambda tx: list_bounced_letters(tx, since=since))
        ]


def report(letter: bytes) -> bytes:
    """An RFC 3464 report that the mailbox is full, with the letter inside."""
    boundary = b"=_b"
    parts = [
        b"Content-Type: text/plain\r\n\r\nThe mailbox is full.\r\n",
        (
            b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; host.example\r\n\r\n"
            b"Final-Recipient: rfc822; ana@owner.example\r\nAction: failed\r\nStatus: 5.2.2\r\n"
            b"Diagnostic-Code: smtp; 552 mailbox full\r\n"
        ),
        b"Content-Type: message/rfc822\r\n\r\n" + letter,
    ]
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
    return (
        b"From: MAILER-DAEMON@host.example\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="=_b"\r\n\r\n' + body
    )


@pytest.fixture
async def relay(way_in):
    await way_in.agent(BOT)
    await way_in.agent("*@agents.example")
    return Relay(way_in)


@pytest.mark.parametrize("rcpt", ["mailseal@agents.example", "MailSeal+x@AGENTS.example", f"mailseal@{SHARED}"])
async def test_a_returned_review_letter_is_stored_for_no_agent_and_its_link_is_dead(relay, rcpt):
    letter, raw = await relay.review()

    assert [letter.id] == await relay.way_in.receive(report(raw), to=[rcpt], mail_from=None)

    assert 0 == (await relay.way_in.kept())["messages"] - 1  # the held mail alone
    assert await relay.has_dead_review_link()
    assert [(letter.id, "failed; 5.2.2; smtp; 552 mailbox full")] == await relay.bounced()


async def test_a_returned_sign_in_letter_signs_nobody_in(relay):
    letter, raw = await relay.sign_in_letter()

    assert [letter.id] == await relay.way_in.receive(report(raw), to=["mailseal@agents.example"], mail_from=None)

    assert 0 == (await relay.way_in.kept())["messages"]
    link = read_sign_in_token(relay.url.rpartition("/")[2], key=relay.master.links, now=relay.clock.now())
    with pytest.raises(BadLink):
        await relay.way_in.store.write(lambda tx: sign_in(tx, link, now=relay.clock.now()))


async def test_any_mail_to_the_nonce_of_a_letter_marks_it_and_kills_its_link(relay):
    letter, _ = await relay.review()
    nonce = letter_nonce(letter.id, key=relay.master.links).upper()

    mail = b"From: a@b.example\r\nSubject: Out of office\r\n\r\nBack on Monday.\r\n"
    assert [letter.id] == await relay.way_in.receive(mail, to=[f"mailseal+{nonce}@{HOSTNAME}"])

    assert await relay.has_dead_review_link()
    assert [(letter.id, "")] == await relay.bounced()


async def test_a_link_in_a_mail_to_an_agent_is_dead_before_the_mail_is_stored(relay):
    letter, raw = await relay.review()

    [message_id] = await relay.way_in.receive(report(raw), to=[BOT], mail_from=None)

    assert message_id.startswith("msg_")
    assert await relay.has_dead_review_link()
    assert [letter.id] == [found for found, _ in await relay.bounced()]


async def test_a_mail_to_an_agent_and_to_the_relay_is_stored_for_the_agent(relay):
    letter, raw = await relay.review()

    ids = await relay.way_in.receive(report(raw), to=["mailseal@agents.example", BOT], mail_from=None)

    assert letter.id == ids[0]
    assert ids[1].startswith("msg_")
    assert await relay.has_dead_review_link()


async def test_other_mail_to_the_relays_own_address_is_refused(relay):
    with pytest.raises(UnknownRecipient):
        await relay.way_in.receive(to=["mailseal@agents.example"])


@pytest.mark.parametrize("rcpt", ["mailseal@elsewhere.example", "mailseal+x@unproved.example"])
async def test_the_relay_has_no_address_on_a_domain_that_is_not_hosted(relay, rcpt):
    await relay.way_in.agent("a@unproved.example", owner=EVE, proved=False)

    with pytest.raises(UnknownRecipient):
        await relay.way_in.admit(rcpt)


async def test_a_forged_or_expired_link_in_a_mail_changes_nothing(relay):
    _, raw = await relay.review()
    relay.clock.advance(hours=2)

    await relay.way_in.receive(report(raw), to=[BOT], mail_from=None)

    assert not await relay.has_dead_review_link()
    assert [] == await relay.bounced()
