"""Received mails are counted by what became of them; a bug is counted apart from a refusal."""

import re

import aiohttp
import pytest

from relay.clock import SystemClock
from tests.broken_store import lose_table
from tests.journeys.home import BOT
from tests.journeys.sender import answered, letter, sent

LOOP = b"Received: from a by b; Mon, 23 Nov 2026 15:17:00 +0000\r\n" * 51


class BreakableClock(SystemClock):
    """Raises what no part of the relay expects, once it is broken."""

    is_broken = False

    def now(self):
        if self.is_broken:
            raise ZeroDivisionError
        return super().now()


@pytest.fixture
def relay_home(sqlite_home):
    sqlite_home.agent()
    sqlite_home.clock = BreakableClock()
    return sqlite_home


async def counted(relay):
    url = "http://{}:{}/metrics".format(*relay.http)
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return re.findall(r'mailseal_mails_total\{outcome="(\w+)"\} 1\.0', await response.text())


async def test_an_accepted_mail_is_counted_as_accepted(relay_home):
    async with relay_home.daemon() as relay:
        await sent(relay.smtp, letter(), BOT)

        assert ["accepted"] == await counted(relay)


async def test_a_mail_answered_with_5xx_is_counted_as_refused(relay_home):
    async with relay_home.daemon() as relay:
        assert (554, "5.4.6") == await answered(relay.smtp, LOOP + letter(), BOT)

        assert ["refused"] == await counted(relay)


async def test_a_mail_that_the_database_cannot_take_is_counted_as_deferred(relay_home):
    async with relay_home.daemon() as relay:
        lose_table(relay_home.store, "usage_events")
        assert (451, "4.3.0") == await answered(relay.smtp, letter(), BOT)

        assert ["deferred"] == await counted(relay)


async def test_a_bug_is_counted_as_failed_and_answered_as_if_to_try_again(relay_home):
    async with relay_home.daemon() as relay:
        relay_home.clock.is_broken = True
        reply = await answered(relay.smtp, letter(), BOT)
        relay_home.clock.is_broken = False

        assert ((451, "4.3.0"), ["failed"]) == (reply, await counted(relay))
