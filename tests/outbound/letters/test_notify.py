"""One letter to a person: sent, put off, failed or dropped, and each settled as that."""

import re
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from sqlalchemy import select

from relay.directory.sign_in import sign_in_link
from relay.errors import CourierBusy, CourierRefused
from relay.outbound.couriers.senders import Senders
from relay.outbound.letters.notify import NO_COURIER, RETRY_SECONDS, notify
from relay.signing.link import ReviewLink, letter_nonce, nonce_hash, read_review_token, read_sign_in_token
from store.directory.users import bootstrap_user
from store.errors import SendUnconfirmed
from store.outbound.holds import reject_pending
from store.outbound.letters_queue import claim_due_letters, enqueue_review, enqueue_sign_in
from store.outbound.outbound import create_pending_outbound_message, rewrite_draft
from store.outbound.returned_letters import letter_of_link, letter_of_nonce, link_of_letter
from store.records.outbound import Draft
from store.schema.outbound import notifications
from tests.fakes import FakeCourier
from tests.places import Places, new_outbound
from tests.send_contexts import BASE, make_send_context

OTHER = Draft(to=("x@y.example",), text="other")


class World:
    """A relay with an agent, a held mail of its, and a courier that the test has in hand."""

    def __init__(self, store, clock, master, courier):
        self.store, self.clock, self.courier = store, clock, courier
        self.send_context = make_send_context(store, clock, master, courier=courier, from_domain="out.example")
        self.places = Places(clock, master)

    async def hold(self, email="ana@owner.example"):
        def unit(tx):
            self.user = self.places.user(tx, email)
            self.places.domain(tx, self.user)
            self.places.agent(tx, self.user, "bot@agents.example", name="Bot")
            new = new_outbound("bot@agents.example", at=self.clock.now())
            self.message = create_pending_outbound_message(tx, new, ttl_seconds=3600)

        await self.store.write(unit)
        return self

    async def claim(self):
        """Ask for the letter about the held mail, and take it."""
        now = self.clock.now()
        await self.store.write(lambda tx: enqueue_review(tx, self.user.id, self.message.id, 1, now=now))
        return await self.take()

    async def take(self):
        lease, now = self.send_context.lease, self.clock.now()
        (letter,) = await self.store.write(lambda tx: claim_due_letters(tx, limit=1, lease=lease, now=now))
        return letter

    async def notify(self, letter):
        return await notify(letter, ctx=self.send_context, sign_in=self.sign_in)

    def sign_in(self, user_id, epoch, now):
        key = self.send_context.master.links
        return sign_in_link(user_id, epoch=epoch, base_url=BASE, key=key, nonce=f"{now:%H%M}", now=now)

    async def row(self):
        query = select(notifications.c.status, notifications.c.error)
        return tuple(await self.store.read(lambda tx: tx.execute(query).one()))

    def mail(self):
        ((raw, *_),) = self.courier.taken
        return message_from_bytes(raw, policy=policy.default)


@pytest.fixture
def courier():
    return FakeCourier()


@pytest.fixture
def world(sqlite_store, clock, master, courier):
    return World(sqlite_store, clock, master, courier)


async def test_the_letter_goes_to_the_owner_with_a_link_that_is_theirs(world, courier, master, clock):
    letter = await (await world.hold()).claim()

    assert "sent" == (await world.notify(letter)).status

    mail = world.mail()
    text = mail.get_body(("plain",)).get_content()
    [url] = [line for line in text.splitlines() if line.startswith(f"{BASE}/review/")]
    link = read_review_token(url.removeprefix(f"{BASE}/review/"), key=master.links, now=clock.now())
    assert (world.message.id, 1, world.user.id, world.message.hold_expires_at) == (
        link.message_id, link.revision, link.user_id, link.expires_at,
    )  # fmt: skip
    assert ("sent", None) == await world.row()
    sender = f"mailseal+{letter_nonce(letter.id, key=master.links)}@out.example"
    assert [(sender, ("ana@owner.example",), letter.id)] == [tuple(rest) for _, *rest in courier.taken]


async def test_the_letter_is_marked_as_automatic_and_its_answers_go_to_nobody_else(world, master):
    letter = await (await world.hold()).claim()
    await world.notify(letter)

    mail = world.mail()
    assert {
        "To": "ana@owner.example",
        "From": f"Mailseal <mailseal+{letter_nonce(letter.id, key=master.links)}@out.example>",
        "Reply-To": "ana@owner.example",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "Message-ID": f"<{letter.id}@out.example>",
        "Subject": "Approve? bot@agents.example: Grüße",
    } == {name: mail[name] for name in ("To", "From", "Reply-To", "Auto-Submitted", "X-Auto-Response-Suppress",
                                        "Message-ID", "Subject")}  # fmt: skip
    assert "text/html" == mail.get_body(("html",)).get_content_type()


async def test_without_a_shared_domain_the_letter_comes_from_the_agents_domain_but_not_from_the_agent(world, courier):
    assert "mailseal@agents.example" == Senders(from_domain=None).letters_from("bot@agents.example")


async def test_a_letter_to_sign_in_has_a_link_that_is_made_as_it_goes(world, clock):
    await world.hold()
    await world.store.write(lambda tx: enqueue_sign_in(tx, world.user.id, now=clock.now()))
    letter = await world.take()
    clock.advance(minutes=2)

    await world.notify(letter)

    text = world.mail().get_body(("plain",)).get_content()
    [url] = [line for line in text.splitlines() if "http" in line]
    link = read_sign_in_token(url.removeprefix(f"{BASE}/login/"), key=world.send_context.master.links, now=clock.now())
    assert (world.user.id, "1519") == (link.user_id, link.nonce)


async def test_somebody_without_an_agent_can_sign_in_too(world, courier, clock):
    user = await world.store.write(lambda tx: bootstrap_user(tx, "new@owner.example", now=clock.now()))
    await world.store.write(lambda tx: enqueue_sign_in(tx, user.id, now=clock.now()))
    world.send_context.senders._from_domain = None

    await world.notify(await world.take())

    [sender] = [mail_from for _, mail_from, *_ in courier.taken]
    assert re.fullmatch(r"mailseal\+[a-z2-7]{32}@mx\.here\.example", sender)


async def test_a_courier_that_takes_the_null_path_gets_it_and_an_author_without_a_nonce(world, courier):
    world.send_context.senders.letters_take_null_path = True

    await world.notify(await (await world.hold()).claim())

    assert [""] == [mail_from for _, mail_from, *_ in courier.taken]
    assert "Mailseal <mailseal@out.example>" == world.mail()["From"]


async def test_a_smarthost_that_refuses_the_null_path_gets_the_address_with_the_nonce(world, courier, master):
    world.send_context.senders.letters_take_null_path = True
    courier.errors = [CourierRefused("550 no null sender")]
    letter = await (await world.hold()).claim()

    assert "sent" == (await world.notify(letter)).status

    sender = f"mailseal+{letter_nonce(letter.id, key=master.links)}@out.example"
    assert [sender] == [mail_from for _, mail_from, *_ in courier.taken]


async def test_a_letter_is_found_by_the_nonce_of_its_sender_and_by_its_link(world, master):
    letter = await (await world.hold()).claim()
    await world.notify(letter)
    link = ReviewLink(
        message_id=world.message.id, revision=1, user_id=world.user.id, expires_at=world.message.hold_expires_at
    )

    def find(tx):
        hashed = nonce_hash(letter_nonce(letter.id, key=master.links).upper())
        return letter_of_nonce(tx, hashed), letter_of_link(tx, link.hash), link_of_letter(tx, letter.id)

    assert (letter.id, letter.id, (link.hash, world.user.id)) == await world.store.read(find)


async def test_a_busy_provider_gets_it_later_and_later_and_then_no_more(world, courier, clock):
    await world.hold()
    await world.store.write(
        lambda tx: enqueue_sign_in(tx, world.user.id, now=clock.now())  # a hold would be over before
    )
    courier.errors = [CourierBusy("full")] * (len(RETRY_SECONDS) + 1)
    for seconds in RETRY_SECONDS:
        told = await world.notify(await world.take())
        assert ("later", clock.now() + timedelta(seconds=seconds)) == (told.status, told.due_at)
        assert ("pending", "full") == await world.row()
        clock.advance(seconds=seconds)

    told = await world.notify(await world.take())

    assert ("failed", "failed after 10 attempts: full") == await world.row()
    assert sum(RETRY_SECONDS) <= 24 * 3600 + 600


async def test_a_provider_that_names_a_time_is_not_asked_before(world, courier, clock):
    courier.errors = [CourierBusy("full", seconds=900)]

    told = await world.notify(await (await world.hold()).claim())

    assert clock.now() + timedelta(seconds=900) == told.due_at


async def test_a_refusal_is_the_end_of_it(world, courier):
    courier.errors = [CourierRefused("550 no such user")]

    await world.notify(await (await world.hold()).claim())

    assert ("failed", "550 no such user") == await world.row()


async def test_an_answer_that_was_lost_counts_as_sent_and_says_so(world, courier):
    courier.errors = [SendUnconfirmed("cut off")]

    await world.notify(await (await world.hold()).claim())

    assert ("sent", "cut off") == await world.row()


async def test_an_address_that_no_mail_can_go_to_fails(world):
    await world.notify(await (await world.hold("jürgen@owner.example")).claim())

    status, error = await world.row()
    assert ("failed", True) == (status, "ASCII" in error)


async def test_nothing_is_asked_about_what_was_decided_already(world, courier, clock):
    letter = await (await world.hold()).claim()
    await world.store.write(lambda tx: reject_pending(tx, world.user.id, world.message.id, now=clock.now()))

    await world.notify(letter)

    status, error = await world.row()
    assert ("failed", "dropped: the message is decided: it is rejected") == (status, error)
    assert [] == courier.taken


async def test_nothing_is_asked_about_an_older_draft(world, courier):
    letter = await (await world.hold()).claim()
    await world.store.write(lambda tx: rewrite_draft(tx, world.message.id, OTHER, now=world.clock.now()))

    await world.notify(letter)

    assert (("failed", "dropped: the draft was changed"), []) == (await world.row(), courier.taken)


async def test_nothing_is_asked_when_the_time_is_over(world, courier, clock):
    letter = await (await world.hold()).claim()
    clock.advance(hours=1)

    await world.notify(letter)

    assert (("failed", "dropped: the hold has ended"), []) == (await world.row(), courier.taken)


async def test_nothing_is_told_of_a_message_that_is_gone(world, courier, clock):
    letter = await (await world.hold()).claim()
    clock.advance(days=31)

    await world.notify(letter)

    assert (("failed", "dropped: No such message"), []) == (await world.row(), courier.taken)


@pytest.mark.parametrize("address", ["bot@agents.example", "BOT+x@agents.example", "anybody@catch.example"])
async def test_an_agent_never_gets_the_link_that_approves_its_mail(world, courier, address):
    await world.hold(address.lower())

    def catch_all(tx):
        world.places.domain(tx, world.user, "catch.example")
        world.places.agent(tx, world.user, "*@catch.example")

    await world.store.write(catch_all)

    await world.notify(await world.claim())

    status, error = await world.row()
    assert ("failed", True, []) == (status, "an agent of this relay" in error, courier.taken)


async def test_a_relay_that_sends_nothing_says_what_to_use_instead(sqlite_store, clock, master):
    world = World(sqlite_store, clock, master, None)

    told = await world.notify(await (await world.hold()).claim())

    assert (NO_COURIER, ("failed", f"dropped: {NO_COURIER}")) == (told.why, await world.row())
