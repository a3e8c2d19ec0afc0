"""``python -m tests.bench.idle``: what a thousand clients cost that wait for mail, in a real daemon process.

Opens N connections, each a long poll or a stream of an agent of its own, lets them be, and prints what they
take of memory and of a core meanwhile. A stream gets a sign of life every 15 s; the daemon makes it, and looks
whether its key and agent are still there.
"""

import argparse
import asyncio
import json
import secrets
import time
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from relay.directory.keys import create_key
from tests.bench.asked import asked, furnished
from tests.bench.measure import cpu_seconds, resident
from tests.daemon_process import DaemonProcess

KINDS: Final = ("stream", "poll", "lease")
_BUSY: Final = 0.1  # of a core: more is no waiting


def fill(url: str, count: int) -> tuple[list[str], str]:
    """*count* agents that poll, and a key of their owner."""
    run = secrets.token_hex(4)  # a database given by URL may hold the agents of an earlier run
    addresses = [f"idle-{run}-{number}@agents.example" for number in range(count)]

    def make(tx, places):
        user = places.user(tx)
        places.domain(tx, user)
        for address in addresses:
            places.agent(tx, user, address)
        return create_key(tx, user.id, name="bench", now=datetime.now(UTC))[1]

    with furnished(url) as (store, places):
        return addresses, store.run(lambda tx: make(tx, places))


def request(kind: str, address: str, key: str) -> bytes:
    """One request that waits."""
    agent = f"/v1/agents/{quote(address, safe='')}"
    head = f"Host: bench\r\nAuthorization: Bearer {key}\r\n"
    if kind == "lease":
        body = b'{"wait":60}'
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return f"POST {agent}/queue/lease HTTP/1.1\r\n{head}\r\n".encode() + body
    path = f"{agent}/events" if kind == "stream" else f"{agent}/messages?wait=60"
    return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()


async def wait_idly(http: tuple[str, int], kind: str, addresses: list[str], key: str) -> list[asyncio.StreamWriter]:
    """A connection for each address, its request sent, and a stream's beginning read."""
    at_once = asyncio.Semaphore(50)

    async def one(address: str) -> asyncio.StreamWriter:
        async with at_once:
            reader, writer = await asyncio.open_connection(*http)
            writer.write(request(kind, address, key))
            if kind == "stream":
                answer = await reader.readuntil(b"id: 0\n\n")
                assert answer.startswith(b"HTTP/1.1 200 "), answer
            return writer

    return await asyncio.gather(*[one(address) for address in addresses])


async def measured(
    daemon: DaemonProcess, kind: str, addresses: list[str], key: str, seconds: float
) -> dict[str, float]:
    """What the connections took of memory, and what they took of a core while nothing happened."""
    for writer in await wait_idly(daemon.http, kind, addresses[:20], key):  # what is loaded once is not theirs
        writer.close()
    await _quiet(daemon)
    before = resident([daemon.pid])
    alone = await _share_of_a_core(daemon, seconds / 2)
    writers = await wait_idly(daemon.http, kind, addresses, key)
    await _quiet(daemon)
    share = await _share_of_a_core(daemon, seconds)
    held = resident([daemon.pid]) - before
    assert not any(writer.is_closing() for writer in writers)
    for writer in writers:
        writer.close()
    return {"memory_mb": round(held / 1e6, 1), "core": round(share, 4), "core_without": round(alone, 4)}


async def _quiet(daemon: DaemonProcess) -> None:
    """Return once the daemon has dealt with what was asked of it: nobody outside sees a request begin to wait."""
    while await _share_of_a_core(daemon, 2) > _BUSY:
        pass


async def _share_of_a_core(daemon: DaemonProcess, seconds: float) -> float:
    began, used = time.monotonic(), cpu_seconds(daemon.pid)
    await asyncio.sleep(seconds)
    return (cpu_seconds(daemon.pid) - used) / (time.monotonic() - began)


def main() -> None:
    """Measure each kind on a fresh daemon and print a line of JSON for it."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--count", type=int, default=1000)
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--kind", choices=KINDS, action="append")
    options.add_argument("--url", help="a PostgreSQL database; SQLite without it")
    chosen = options.parse_args()
    for kind in chosen.kind or KINDS:
        names = ("API_MAX_CONNECTIONS_PER_PEER", "API_WAITS_PER_KEY", "API_WAITS_PER_USER")
        connections = {f"MAILSEAL_{name}": str(2 * chosen.count) for name in (*names, "API_MAX_CONNECTIONS")}
        with asked(chosen.url, lambda url: fill(url, chosen.count), **connections) as (daemon, (addresses, key)):
            found = asyncio.run(measured(daemon, kind, addresses, key, chosen.seconds))
        print(
            json.dumps(
                {"kind": kind, "count": chosen.count, "database": (chosen.url or "sqlite").partition(":")[0], **found}
            )
        )


if __name__ == "__main__":
    main()
