"""Who is let in: the answer to RCPT TO."""

import pytest

from relay.errors import UnknownRecipient
from store.errors import Unavailable
from tests.broken_store import lose_table
from tests.inbound.way_in import HOSTNAME, OWNER, SHARED
from tests.one_database import on_sqlite


@pytest.mark.parametrize(
    ("agent", "written"),
    [
        ("bot@agents.example", "bot@agents.example"),
        ("bot@agents.example", "BOT@Agents.Example"),
        ("bot@agents.example", "bot+eu@agents.example"),
        ("bot@agents.example", "Bot+EU+west@agents.example"),
        ("bot@agents.example", "bot+@agents.example"),
        ("bot+eu@agents.example", "bot+eu@agents.example"),
        ("bot@xn--bcher-kva.example", "bot@xn--bcher-kva.example"),
        ("bot@bücher.example", "bot@xn--bcher-kva.example"),
        ("jos\u00e9@agents.example", "JOSE\u0301@agents.example"),
        ("*@agents.example", "anybody@agents.example"),
        ("*@agents.example", "any body@agents.example"),
        ("*@agents.example", "any+tag@agents.example"),
        ("postmaster@agents.example", "postmaster@agents.example"),
    ],
)
async def test_mail_for_an_agent_is_taken(way_in, agent, written):
    if not agent.startswith("postmaster"):
        await way_in.agent(agent)
    else:
        await way_in.agent("bot@agents.example")

    await way_in.admit(written)


@on_sqlite
@pytest.mark.parametrize(
    "written",
    [
        "nobody@agents.example",
        "bot@other.example",
        "bot@sub.agents.example",
        "bot@agents.example.other.example",
        "bott@agents.example",
        "bo@agents.example",
        "+bot@agents.example",
        "bot@[192.0.2.1]",
        "nobody@" + HOSTNAME,
        "nobody@" + SHARED,
        "bot",
        "bot%agents.example@" + HOSTNAME,
    ],
)
async def test_mail_for_nobody_is_refused(way_in, written):
    await way_in.agent("bot@agents.example")

    with pytest.raises(UnknownRecipient):
        await way_in.admit(written)


async def test_a_catch_all_takes_nothing_of_another_domain(way_in):
    await way_in.agent("*@agents.example")

    with pytest.raises(UnknownRecipient):
        await way_in.admit("anybody@other.example")


async def test_an_unverified_domain_cannot_be_told_from_an_unknown_agent(way_in):
    await way_in.agent("bot@claimed.example", proved=False)

    with pytest.raises(UnknownRecipient) as unverified:
        await way_in.admit("bot@claimed.example")
    with pytest.raises(UnknownRecipient) as unknown:
        await way_in.admit("nobody@nowhere.example")

    assert repr(unknown.value) == repr(unverified.value)


async def test_an_agent_on_a_domain_that_another_user_proved_gets_nothing(way_in):
    await way_in.agent("bot@agents.example", owner="stranger@owner.example", proved=False)
    await way_in.agent("other@agents.example")

    with pytest.raises(UnknownRecipient):
        await way_in.admit("bot@agents.example")


async def test_an_agent_on_the_shared_domain_needs_no_proof(way_in):
    def unit(tx):
        way_in.places.agent(tx, way_in.places.user(tx, OWNER), f"slug@{SHARED}")

    await way_in.store.write(unit)

    await way_in.admit(f"slug@{SHARED}")


@on_sqlite
@pytest.mark.parametrize(
    "written", ["postmaster", "Postmaster", "POSTMASTER@" + HOSTNAME, "postmaster@" + HOSTNAME, "postmaster@" + SHARED]
)
async def test_mail_for_the_operator_is_taken(way_in, written):
    await way_in.admit(written)


@on_sqlite
@pytest.mark.parametrize("named", [None, "ops@agents.example"])
@pytest.mark.parametrize("written", ["postmaster", "Postmaster@" + HOSTNAME, "postmaster@" + SHARED])
async def test_mail_for_the_operator_reaches_whom_the_settings_name(way_in, named, written):
    await way_in.agent("ops@agents.example")
    way_in.calling(named)

    message, _ = await way_in.receive_one(to=[written])

    assert (named or "postmaster") == message.agent


async def test_mail_for_the_operator_is_kept_when_the_agent_named_is_gone(way_in):
    way_in.calling("gone@agents.example")

    message, _ = await way_in.receive_one(to=["postmaster"])

    assert message.agent == "postmaster"


async def test_mail_for_a_domains_postmaster_is_its_owners(way_in):
    await way_in.agent("ops@agents.example")
    way_in.calling("ops@agents.example")
    await way_in.agent("bot@other.example")

    message, _ = await way_in.receive_one(to=["Postmaster@other.example"])

    assert message.agent == "postmaster@other.example"


@pytest.mark.parametrize(
    ("written", "taken_by"),
    [
        ("bot+eu@agents.example", "bot+eu@agents.example"),
        ("bot+us@agents.example", "bot@agents.example"),
        ("bot@agents.example", "bot@agents.example"),
        ("other@agents.example", "*@agents.example"),
        ("Other+tag@agents.example", "*@agents.example"),
    ],
)
async def test_the_nearest_agent_takes_the_mail(way_in, written, taken_by):
    for agent in ("*@agents.example", "bot@agents.example", "bot+eu@agents.example"):
        await way_in.agent(agent)

    message, _ = await way_in.receive_one(to=[written])

    assert (taken_by, written) == (message.agent, message.recipient)


@on_sqlite
@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("bot@agents.example", None),
        ("bot+EU@agents.example", "EU"),
        ("bot+eu+west@agents.example", "eu+west"),
        ("bot+@agents.example", ""),
    ],
)
async def test_the_tag_is_kept_as_it_was_written(way_in, written, tag):
    await way_in.agent("bot@agents.example")

    message, _ = await way_in.receive_one(to=[written])

    assert tag == message.tag


async def test_a_store_that_cannot_answer_is_no_unknown_recipient(way_in):
    lose_table(way_in.store, "agents")

    with pytest.raises(Unavailable):
        await way_in.admit("nobody@agents.example")
