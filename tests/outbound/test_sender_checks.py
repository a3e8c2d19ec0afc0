"""Nobody writes from a domain that they only say is theirs."""

from datetime import timedelta
from functools import partial

import pytest

from relay.directory import domains as proving
from relay.outbound import review
from relay.outbound.local_delivery import deliver_locally
from relay.outbound.send import send_queued
from relay.outbound.submit import OutboundRequest, submit
from relay.signing.link import SignInLink, read_link, sign_in_token
from store.directory.agents import get_agent_by_email
from store.directory.used_links import is_link_used
from store.errors import DomainUnproven
from store.mail.messages import get_messages_by_agent
from store.outbound.outbound import create_outbound_message, create_pending_outbound_message, get_outbound_message
from store.outbound.sending import LEASE, claim_queued, settle_unconfirmed
from store.outbound.unconfirmed import resolve_unconfirmed
from store.records.outbound import Draft
from tests.fakes import FakeCourier
from tests.places import Places, new_outbound
from tests.send_contexts import make_send_context

ANA, EVE = "ana@owner.example", "eve@stranger.example"
BOT, BOSS = "bot@agents.example", "boss@agents.example"
OUTSIDE = "bo@reader.example"


class Scene:
    """Ana has proved a domain and has an agent there; Eve only claims the same one, and has an agent there too."""

    def __init__(self, store, clock, master):
        self.store, self.clock, self.courier = store, clock, FakeCourier()
        self.places = Places(clock, master)
        self.send_context = make_send_context(store, clock, master, courier=self.courier)

    async def furnish(self):
        self.eve, self.boss = await self.store.write(self._furnish)
        return self

    def _furnish(self, tx):
        eve = self.places.user(tx, EVE)
        proving.claim(tx, eve.id, "agents.example", now=self.clock.now())
        boss = self.places.agent(tx, eve, BOSS)
        ana = self.places.user(tx, ANA)
        self.places.domain(tx, ana)
        self.places.agent(tx, ana, BOT)
        return eve, boss

    async def kept(self, **hold):
        """A mail of Eve's that was kept somehow, to her neighbour and to a stranger."""
        new = new_outbound(BOSS, at=self.clock.now(), draft=Draft(to=(BOT, OUTSIDE), subject="hi", text="pay me"))
        make = create_pending_outbound_message if hold else create_outbound_message
        return (await self.store.write(lambda tx: make(tx, new, **hold))).id

    async def message(self, message_id):
        return await self.store.read(lambda tx: get_outbound_message(tx, message_id))

    async def arrived(self):
        asked = {"status": "all", "limit": 50, "cursor": None, "now": self.clock.now()}
        return (await self.store.read(lambda tx: get_messages_by_agent(tx, BOT, **asked))).items


@pytest.fixture
async def scene(sqlite_store, clock, master):
    return await Scene(sqlite_store, clock, master).furnish()


async def test_an_agent_on_a_domain_that_is_only_claimed_writes_nothing(scene):
    for to in (BOT, OUTSIDE):
        with pytest.raises(DomainUnproven, match="is not verified"):
            await submit(
                scene.boss, OutboundRequest(draft=Draft(to=(to,), subject="hi", text="pay me")), ctx=scene.send_context
            )

    assert [] == scene.courier.taken


async def test_what_was_queued_before_the_proof_was_another_s_does_not_go(scene):
    message_id, now = await scene.kept(), scene.clock.now()
    (outgoing,) = await scene.store.write(lambda tx: claim_queued(tx, limit=1, lease=LEASE, now=now))

    await send_queued(outgoing, ctx=scene.send_context)

    message = await scene.message(message_id)
    assert ("failed", [], []) == (message.status, scene.courier.taken, list(await scene.arrived()))
    assert "agents.example is not verified" in message.error


async def test_a_stranger_s_hold_cannot_be_approved_by_themselves(scene):
    message_id = await scene.kept(ttl_seconds=60)

    with pytest.raises(DomainUnproven):
        await review.approve(scene.eve.id, message_id, ctx=scene.send_context)

    assert ("pending_approval", []) == ((await scene.message(message_id)).status, scene.courier.taken)


async def test_a_stranger_s_word_that_a_mail_went_out_makes_it_verified_for_nobody(scene):
    message_id, now = await scene.kept(), scene.clock.now()

    def unit(tx):
        (outgoing,) = claim_queued(tx, limit=1, lease=LEASE, now=now)
        settle_unconfirmed(tx, outgoing, "no answer", now=now)
        on_sent = partial(deliver_locally, ctx=scene.send_context)
        resolve_unconfirmed(tx, scene.eve.id, message_id, "sent", now=now, on_sent=on_sent)

    await scene.store.write(unit)

    assert [] == list(await scene.arrived())


async def test_whoever_has_proved_the_domain_writes(scene):
    bot = await scene.store.read(lambda tx: get_agent_by_email(tx, BOT))

    message = await submit(
        bot, OutboundRequest(draft=Draft(to=(OUTSIDE,), subject="hi", text="hello")), ctx=scene.send_context
    )

    assert "queued" == message.status


@pytest.mark.parametrize(("to", "is_revoked"), [(BOT, True), (OUTSIDE, False)])
async def test_a_sign_in_link_in_mail_to_an_agent_here_is_revoked_before_the_mail_is_stored(scene, to, is_revoked):
    now = scene.clock.now()
    link = SignInLink(user_id=scene.eve.id, nonce="n" * 22, expires_at=now + timedelta(hours=1))
    text = f"Look: https://mx.here.example/sign-in/{sign_in_token(link, key=scene.send_context.master.links)}"
    bot = await scene.store.read(lambda tx: get_agent_by_email(tx, BOT))
    await submit(bot, OutboundRequest(draft=Draft(to=(to,), subject="hi", text=text)), ctx=scene.send_context)
    (outgoing,) = await scene.store.write(lambda tx: claim_queued(tx, limit=1, lease=LEASE, now=now))

    await send_queued(outgoing, ctx=scene.send_context)

    hashed = read_link(
        sign_in_token(link, key=scene.send_context.master.links), key=scene.send_context.master.links
    ).hash
    assert is_revoked == await scene.store.read(lambda tx: is_link_used(tx, hashed))
    assert (1 if is_revoked else 0) == len(list(await scene.arrived()))
