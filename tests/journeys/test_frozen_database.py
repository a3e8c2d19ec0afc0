"""A PostgreSQL that answers nothing: it is there, takes connections, and stays silent."""

import asyncio
import time

import aiohttp
import pytest

from tests.journeys.home import BOT, Home
from tests.journeys.sender import answered, letter, sent
from tests.postgres_server import private_database

READY_SECONDS = 2
SENDER_SECONDS = 20
ROOM_SECONDS = 4  # on a machine that does other things too


@pytest.fixture
def server():
    with private_database() as own:
        yield own


async def timed(wait):
    """What an awaitable returns, and the seconds it took."""
    start = time.monotonic()
    return await wait, time.monotonic() - start


async def readiness(http):
    url = "http://{}:{}/readyz".format(*http)
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status


async def test_while_postgresql_is_frozen_readiness_fails_and_senders_hear_451(server, tmp_path, nameserver):
    home = Home(tmp_path / "data", server.url, nameserver)
    home.agent()
    process = await asyncio.to_thread(home.process().start)
    try:
        await sent(process.smtp, letter(1), BOT)
        with server.frozen():
            (status, asked), *mails = await asyncio.gather(
                timed(readiness(process.http)),
                *(timed(answered(process.smtp, letter(number), BOT)) for number in (2, 3, 4)),
            )
            (again, asked_again) = await timed(readiness(process.http))
        assert (503, 503) == (status, again)
        assert max(asked, asked_again) < READY_SECONDS + ROOM_SECONDS
        assert {(451, "4.3.0")} == {status for status, _ in mails}
        assert max(seconds for _, seconds in mails) < SENDER_SECONDS + ROOM_SECONDS
        await until_ready(process.http)
        await sent(process.smtp, letter(5), BOT)
    finally:
        home.close()
        await asyncio.to_thread(process.kill)


async def until_ready(http):
    async with asyncio.timeout(20 + ROOM_SECONDS):
        while await readiness(http) != 200:  # noqa: ASYNC110 (readiness has no event)
            await asyncio.sleep(0.2)
