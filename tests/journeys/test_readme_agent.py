"""The agent of the README, run as it is shown: it answers verified mail once, and takes all mail."""

import asyncio
import re
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.journeys.home import BOT
from tests.journeys.sender import BOUNCE, SENDER, letter, sent, signed_letter
from tests.journeys.smarthost import PATIENCE_SECONDS, SmartHost

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
(SHOWN,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture
async def host():
    async with SmartHost() as listening:
        yield listening


@asynccontextmanager
async def running(key, http):
    """The agent of the README with this key, as a process."""
    code = SHOWN.replace("mk_…", key).replace("127.0.0.1:8025", "{}:{}".format(*http))
    code = code.replace("support%40agents.example.net", BOT.replace("@", "%40"))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    yield process
    process.kill()
    await process.wait()


async def replies(host, number):
    """What the replies to Ana answer, once there are so many."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(host.got(SENDER)) < number:  # noqa: ASYNC110 (the host has no event for it)
            await asyncio.sleep(0.05)
    return [re.search(rb"In-Reply-To: (\S+)", mail)[1] for mail in host.got(SENDER)]


async def test_the_agent_of_the_readme_answers_verified_mail_once_and_takes_all_mail(sqlite_home, host):
    sqlite_home.more = host.settings
    sqlite_home.agent()
    async with sqlite_home.daemon() as relay, running(sqlite_home.key, relay.http) as process:
        for mail in (letter(1).replace(b"example.com>", b"other.example>"), BOUNCE, signed_letter(2)):
            await sent(relay.smtp, mail, BOT)
        await replies(host, 1)
        await sent(relay.smtp, signed_letter(3), BOT)

        assert [b"<2@example.com>", b"<3@example.com>"] == await replies(host, 2)
        assert process.returncode is None
        async with sqlite_home.poller(relay.http) as other:
            assert [] == await other.lease()
        assert 2 == len(host.mails)


def test_the_agent_of_the_readme_has_twelve_lines():
    assert 12 == len([line for line in SHOWN.splitlines() if line.strip()])
