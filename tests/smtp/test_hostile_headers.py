"""While hostile header sections are judged, another client's commands are answered as before."""

import asyncio
import time
from datetime import UTC, datetime
from statistics import median

import pytest

from relay.auth.authenticate import authenticate
from relay.auth.dkim_key import KeyCache
from relay.inbound.header_bounds import read_headers
from relay.inbound.limits import InboundLimits
from relay.mail.headers import header_end
from tests.fakes import FakeResolver
from tests.smtp.collector import Client

SIGNATURE = b"DKIM-Signature: v=1; a=rsa-sha256; d=a%d.example; s=s; h=" + b"a:" * 900 + b"from; bh=eA==; b=eA==\r\n"
HOSTILE = {
    "two thousand fields": b"a:\r\n" * 2000,
    "signatures over all fields": b"".join(SIGNATURE % number for number in range(50)) + b"a:" + b"x" * 60 + b"\r\n",
    "200 000 fields": b"a:\r\n" * 200_000,
    "a field of folds": b"Subject:" + b"\r\n x" * 60_000 + b"\r\n",
}


async def judge(envelope, spool, _agents):
    """What receiving a mail does with its header section."""
    headers = await read_headers(spool, limits=InboundLimits(), hostname="mx.here.example")
    start = header_end(spool.head())
    await authenticate(
        envelope,
        headers,
        lambda: spool.chunks(start),
        resolver=FakeResolver({}),
        keys=KeyCache(),
        now=datetime.now(UTC),
    )
    return ["msg_1"]


async def round_trips(client: Client, number: int) -> list[float]:
    taken = []
    for _ in range(number):
        begin = time.monotonic()
        await client.say("NOOP")
        taken.append(time.monotonic() - begin)
        await asyncio.sleep(0.002)
    return taken


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_header_section_does_not_delay_another_client(open_server, connect, name):
    server = await open_server(receive=judge)
    attacker, witness = await connect(server), await connect(server)
    await attacker.greet()
    await witness.greet()
    quiet = await round_trips(witness, 20)

    async def attack():
        for _ in range(3):
            await attacker.start_mail("DATA", b"From: a@a1.example\r\n" + HOSTILE[name] + b"\r\nhi\r\n.\r\n")
            assert (await attacker.reply())[:3] in {"250", "552"}

    running = asyncio.create_task(attack())
    under = await round_trips(witness, 30)
    await running

    # Both clients and the server share this process and its loop, so the bound is wide: without it the longest was
    # over 0.5 s, some hundred times the median of a quiet server.
    assert max(under) < max(0.1, 20 * max(quiet), 60 * median(quiet))
