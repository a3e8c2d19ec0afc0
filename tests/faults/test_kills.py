"""`kill -9` in a loop under load: what was promised is kept, and what was recorded as done is not done again."""

import asyncio
import os
import random

import pytest

from tests.faults.load import Load
from tests.journeys.home import BOT, HOOK

ROUNDS = int(os.environ.get("FAULTS_ROUNDS", "5"))
SENDERS = 3
SECOND = "second@agents.example"
SETTINGS = {
    "MAILSEAL_WEBHOOK_RETRY_SECONDS": ",".join(["0.2"] * 50),
    "MAILSEAL_WEBHOOK_TIMEOUT_SECONDS": "5",
}


@pytest.mark.timeout(120 + 10 * ROUNDS)
async def test_what_was_promised_survives_any_number_of_deaths(home, sink, capsys):
    home.more = SETTINGS
    home.agent(HOOK, webhook=sink.url("/hook"))
    home.agent(SECOND, webhook=sink.url("/second"))
    home.agent(BOT)
    load, dice = Load([HOOK, SECOND, BOT]), random.Random(1870)
    deaths = []
    with home.process() as daemon:
        for _ in range(ROUNDS):
            load.start(daemon.smtp, SENDERS)
            await asyncio.sleep(dice.uniform(0.3, 2))  # this is the load, not a wait
            await asyncio.to_thread(daemon.kill)
            await asyncio.to_thread(load.join)
            await sink.idle()
            deaths.append((len(sink.posted), done(home)))
            await asyncio.to_thread(daemon.start)
        await everything_settled(home)
        async with home.poller(daemon.http) as agent:
            leased = await drain(agent)
        assert 0 == await asyncio.to_thread(daemon.stop)

    posted = [each.webhook_id for each in sink.posted]
    ids = {each.message_id for each in sink.posted}
    promised = {message_id for hook, second, _ in load.accepted for message_id in (hook, second)}
    with capsys.disabled():
        print(
            f"\n{len(load.accepted)} mails accepted in {ROUNDS} deaths, {load.put_off} put off; "
            f"{len(posted)} requests for {len(set(posted))} events; "
            f"{[len(recorded) for _, recorded in deaths]} recorded as delivered at each death; {len(leased)} leased"
        )
    assert len(load.accepted) > ROUNDS
    assert [] == load.refused
    assert set() == promised - ids
    assert set() == {message_id for *_, message_id in load.accepted} - set(leased)
    assert len(leased) == len(set(leased))
    for before, recorded in deaths:
        assert set() == recorded & set(posted[before:])


def done(home) -> set[str]:
    """The events that are recorded as delivered."""
    return {delivery.event_id for delivery in home.deliveries() if delivery.status == "delivered"}


async def everything_settled(home) -> None:
    """Return once nothing waits to be delivered any more, the claims of the dead included."""
    async with asyncio.timeout(90):
        while any(delivery.status == "pending" for delivery in home.deliveries()):  # noqa: ASYNC110 (another process's)
            await asyncio.sleep(0.5)


async def drain(agent) -> list[str]:
    """Everything in the queue."""
    found = []
    while items := await agent.lease(most=100):
        found += [item["message"]["message_id"] for item in items]
    return found
