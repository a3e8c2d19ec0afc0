"""A mail that its sender sends again within 24 hours is stored once (RFC 1047)."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from structlog.testing import capture_logs

from store.directory.agents import delete_agent
from store.mail.messages import list_newest
from store.mail.received_digests import delete_old_digests
from tests.inbound.way_in import MAIL, OWNER

BOT, OTHER = "bot@agents.example", "other@agents.example"


async def messages(way_in, agent=BOT):
    return await way_in.store.read(lambda tx: list_newest(tx, agent, limit=100))


async def count(way_in, agent=BOT):
    return len(await messages(way_in, agent))


async def test_the_same_mail_again_has_the_ids_of_the_first(way_in):
    await way_in.agent(BOT)
    counted = []
    way_in.receive_context = replace(way_in.receive_context, count_repeated=counted.append)
    first = await way_in.receive(MAIL, to=[BOT])
    with capture_logs() as logs:
        again = await way_in.receive(MAIL, to=["Bot@agents.example"])

    assert first == again
    assert [0, 1] == counted
    assert ["message_repeated"] == [line["event"] for line in logs]
    assert 1 == await count(way_in)


async def test_only_recipients_that_have_no_copy_get_the_mail(way_in):
    await way_in.agent(BOT)
    await way_in.agent(OTHER)
    (first,) = await way_in.receive(MAIL, to=[BOT])
    both = await way_in.receive(MAIL, to=[OTHER, BOT])

    assert first == both[1] != both[0]
    assert [1, 1] == [await count(way_in, agent) for agent in (BOT, OTHER)]


async def test_other_bytes_another_sender_or_another_tag_are_another_mail(way_in):
    await way_in.agent(BOT)
    ids = [
        *await way_in.receive(MAIL, to=[BOT]),
        *await way_in.receive(MAIL + b"more\r\n", to=[BOT]),
        *await way_in.receive(MAIL, to=[BOT], mail_from="eve@example.com"),
        *await way_in.receive(MAIL, to=["bot+tag@agents.example"]),
    ]

    assert 4 == len(set(ids)) == await count(way_in)


async def test_after_24_hours_it_is_a_new_mail(way_in, clock):
    await way_in.agent(BOT)
    (first,) = await way_in.receive(MAIL, to=[BOT])
    clock.advance(hours=23)
    assert [first] == list(await way_in.receive(MAIL, to=[BOT]))
    clock.advance(hours=2)
    (second,) = await way_in.receive(MAIL, to=[BOT])

    assert first != second
    assert [second] == list(await way_in.receive(MAIL, to=[BOT]))


async def test_a_mail_that_was_deleted_with_its_agent_is_stored_for_the_next_agent_of_the_address(way_in):
    await way_in.agent(BOT)
    await way_in.receive(MAIL, to=[BOT])
    await way_in.store.write(lambda tx: delete_agent(tx, way_in.places.user(tx, OWNER).id, BOT))
    await way_in.agent(BOT)
    (second,) = await way_in.receive(MAIL, to=[BOT])

    assert [second] == [each.id for each in await messages(way_in)]


async def test_copies_that_arrive_at_once_are_stored_once(way_in):
    await way_in.agent(BOT)
    answers = await asyncio.gather(*(way_in.receive(MAIL, to=[BOT]) for _ in range(20)))

    assert 1 == len({ids[0] for ids in answers}) == await count(way_in)


async def test_a_long_mail_is_known_again_too(way_in):
    await way_in.agent(BOT)
    long = MAIL + b"x" * 70 * 1024 + b"\r\n" + b"y" * 300_000 + b"\r\n"
    first = await way_in.receive(long, to=[BOT])

    assert first == await way_in.receive(long, to=[BOT])
    assert 1 == await count(way_in)


async def test_an_unverified_copy_does_not_keep_the_verified_mail_out(way_in):
    await way_in.agent(BOT)
    (forged,) = await way_in.receive(MAIL, to=[BOT], ip="203.0.113.66")
    (true,) = await way_in.receive(MAIL, to=[BOT])
    (late,) = await way_in.receive(MAIL, to=[BOT], ip="203.0.113.66")
    found = {message.id: message.verified for message in await messages(way_in)}

    assert {forged: False, true: True} == found
    assert late in {true, forged}


async def test_no_mail_is_known_again_where_the_setting_is_0(way_in):
    await way_in.agent(BOT)
    limits = replace(way_in.receive_context.limits, known_for=timedelta(0))
    way_in.receive_context = replace(way_in.receive_context, limits=limits)
    ids = [*await way_in.receive(MAIL, to=[BOT]), *await way_in.receive(MAIL, to=[BOT])]

    assert 2 == len(set(ids)) == await count(way_in)


async def test_old_digests_are_removed(way_in, clock):
    await way_in.agent(BOT)
    await way_in.receive(MAIL, to=[BOT])
    assert 0 == await way_in.store.write(lambda tx: delete_old_digests(tx, now=clock.now(), limit=10))
    clock.advance(hours=25)

    assert 1 == await way_in.store.write(lambda tx: delete_old_digests(tx, now=clock.now(), limit=10))
