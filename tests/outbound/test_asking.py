"""From an agent's mail that has to wait to the letters about it: what a person is asked about is what would go."""

from dataclasses import replace
from email import message_from_bytes, policy

import pytest

from relay.outbound.policy import Caps
from relay.outbound.review import Version, amend, approve
from relay.outbound.submit import OutboundRequest, submit
from relay.signing.link import read_review_token
from store.directory.agents import get_agent_by_email
from store.directory.hitl import update_agent_hitl
from store.errors import Outdated
from store.outbound.edit import PendingApprovalEdit
from store.records.outbound import Draft
from tests.fakes import FakeCourier
from tests.outbound.letters.test_notify import BASE, World


async def ask_first(world):
    """The agent, whose owner wants to be asked from now on."""
    await world.hold()
    address, now = "bot@agents.example", world.clock.now()
    ask = {"enabled": True, "ttl_seconds": 600, "expiration_action": "reject"}
    await world.store.write(lambda tx: update_agent_hitl(tx, world.user.id, address, now=now, **ask))
    return await world.store.read(lambda tx: get_agent_by_email(tx, address))


def told(world):
    """The text of the last letter, and the link in it."""
    mail = message_from_bytes(world.courier.taken[-1][0], policy=policy.default)
    text = mail.get_body(("plain",)).get_content()
    [url] = [line for line in text.splitlines() if line.startswith(BASE)]
    token = url.removeprefix(f"{BASE}/review/")
    return text, read_review_token(token, key=world.send_context.master.links, now=world.clock.now())


async def test_each_draft_is_asked_about_and_the_last_one_is_what_goes(sqlite_store, clock, master):
    world = World(sqlite_store, clock, master, FakeCourier())
    agent = await ask_first(world)
    draft = Draft(to=("bo@reader.example",), subject="Offer", text="one")
    held = await submit(agent, OutboundRequest(draft=draft), ctx=world.send_context)

    await world.notify(await world.take())
    first, link = told(world)
    assert ("pending_approval", held.id, 1) == (held.status, link.message_id, link.revision)
    assert "[NEW DOMAIN] To: bo@reader.example" in first

    edit = PendingApprovalEdit(text="two", to=("cy@elsewhere.example",))
    changed = await amend(world.user.id, held.id, edit, ctx=world.send_context)
    await world.notify(await world.take())
    second, link = told(world)
    assert (2, True, False) == (link.revision, "| two" in second, "| one" in second)
    assert "[NEW DOMAIN] To: cy@elsewhere.example" in second

    seen = Version(changed.revision, changed.digest)
    assert "sent" == (await approve(world.user.id, held.id, seen=seen, ctx=world.send_context)).status
    raw, _, recipients, _ = world.courier.taken[-1]
    assert (("cy@elsewhere.example",), True) == (recipients, b"\r\ntwo" in raw)


async def test_the_approval_digest_covers_bcc_and_an_approval_that_names_it_is_bound_to_it(sqlite_store, clock, master):
    world = World(sqlite_store, clock, master, FakeCourier())
    agent = await ask_first(world)
    held = await submit(
        agent, OutboundRequest(draft=Draft(to=("bo@reader.example",), text="one")), ctx=world.send_context
    )
    await world.notify(await world.take())
    text, _ = told(world)

    changed = await amend(
        world.user.id, held.id, PendingApprovalEdit(bcc=("spy@evil.example",)), ctx=world.send_context
    )

    assert held.approval_digest in "".join(text.split())
    assert (True, False) == (held.digest == changed.digest, held.approval_digest == changed.approval_digest)
    with pytest.raises(Outdated):
        await approve(world.user.id, held.id, seen=Version(None, None, held.approval_digest), ctx=world.send_context)
    seen = Version(None, None, changed.approval_digest)
    assert "sent" == (await approve(world.user.id, held.id, seen=seen, ctx=world.send_context)).status


@pytest.mark.parametrize(
    ("caps", "reason"),
    [
        (Caps(user_sends_per_hour=2), "sends"),
        (Caps(user_new_recipients_per_day=2), "recipients"),
        (Caps(user_sends_per_hour=3, user_new_recipients_per_day=3), None),
        (Caps(user_sends_per_hour=0, user_new_recipients_per_day=0), None),
    ],
)
async def test_the_caps_of_a_user_count_the_mail_of_all_agents(sqlite_store, clock, master, caps, reason):
    world = World(sqlite_store, clock, master, FakeCourier())
    await world.store.write(lambda tx: world.places.domain(tx, world.places.user(tx)))
    held = []
    for number in range(3):
        address = f"bot{number}@agents.example"
        agent = await world.store.write(lambda tx, at=address: world.places.agent(tx, world.places.user(tx), at))
        request = OutboundRequest(draft=Draft(to=(f"bo{number}@reader.example",), text="hi"))
        message = await submit(agent, request, ctx=replace(world.send_context, caps=caps))
        held.append(message.hold_reason)

    assert [None, None, reason] == held
