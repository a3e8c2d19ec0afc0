"""A disk without room: senders are put off, nothing that was promised is lost, and with room again all is well."""

import asyncio
from pathlib import Path

from sqlalchemy import make_url

from tests.faults.load import Load
from tests.journeys.home import BOT, HOOK
from tests.journeys.sender import answered, letter, sent

SETTINGS = {
    "MAILSEAL_WEBHOOK_RETRY_SECONDS": ",".join(["0.2"] * 50),
    "MAILSEAL_WEBHOOK_TIMEOUT_SECONDS": "1",
}
ROOM = 256 * 1024


async def test_a_full_disk_puts_senders_off_and_loses_nothing(sqlite_home, sink, capsys):
    home = sqlite_home
    home.more = SETTINGS
    home.agent(HOOK, webhook=sink.url())
    home.agent(BOT)
    load = Load([HOOK, BOT])
    with home.process() as daemon:
        await asyncio.to_thread(daemon.limit_files, largest(home) + ROOM)
        load.start(daemon.smtp, 2)
        await until(lambda: load.put_off > 20)
        async with home.poller(daemon.http) as agent:
            assert 200 == (await agent.get("/healthz"))[0]
        large = letter() + b"x" * 70 + b"\r\n" * (largest(home) + 2 * ROOM)
        assert (452, "4.3.1") == await answered(daemon.smtp, large, BOT)

        daemon.limit_files(None)
        (again,) = await sent(daemon.smtp, large, BOT)
        before = len(load.accepted)
        await until(lambda: len(load.accepted) > before + 20)
        await asyncio.to_thread(daemon.kill)
        await asyncio.to_thread(load.join)
        await asyncio.to_thread(daemon.start)
        promised = {hook for hook, _ in load.accepted}
        await until(lambda: promised <= {posted.headers["Mailseal-Message-Id"] for posted in sink.posted})
        async with home.poller(daemon.http) as agent:
            leased = await drain(agent)

    with capsys.disabled():
        print(f"\n{len(load.accepted)} mails accepted, {load.put_off} put off, {len(sink.posted)} requests")
    assert [] == load.refused
    assert set() == {again, *(bot for _, bot in load.accepted)} - set(leased)


def largest(home) -> int:
    """The size of the largest file there is."""
    database = Path(make_url(home.database_url).database)
    return max(path.stat().st_size for path in database.parent.glob(f"{database.name}*"))


async def until(condition) -> None:
    """Return once *condition* holds."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 (threads and another process change it)
            await asyncio.sleep(0.1)


async def drain(agent) -> list[str]:
    """Everything in the queue."""
    found = []
    while items := await agent.lease(most=20):
        found += [item["message"]["message_id"] for item in items]
    return found
