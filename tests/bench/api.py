"""``python -m tests.bench.api``: list, get, and lease with ack, at 100 000 messages of one agent and one daemon process.

Prints for each the requests a second of a few clients and the milliseconds of one request, beside the same of an
almost empty store. The clients are on the same machine and take their share of it.
"""

import argparse
import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from statistics import quantiles
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from yarl import URL

from relay.directory.keys import create_key
from tests.bench.asked import asked, furnished

MESSAGES: Final = 100_000
FEW: Final = 200  # in the almost empty store: as many as a page may have
_STEP: Final = 1000  # messages in one transaction
_RAW: Final = b"From: Bo <bo@sender.example>\r\nSubject: hi\r\n\r\n" + b"word " * 1000 + b"\r\n"

Ask = Callable[..., Awaitable[Any]]
Turn = Callable[[Ask, int], Awaitable[None]]


def fill(url: str, count: int) -> tuple[str, str]:
    """A polling agent with *count* unread messages of 5 kB, and a key of its owner."""
    address = f"bench-{secrets.token_hex(4)}@agents.example"  # a database given by URL may hold an earlier run's

    def make(tx, places):
        places.poll_agent(tx, address)
        return create_key(tx, places.user(tx).id, name="bench", now=places.clock.now())[1]

    def some(tx, places):
        for _ in range(min(_STEP, count)):
            places.message(tx, address, _RAW)

    with furnished(url) as (store, places):
        key = store.run(lambda tx: make(tx, places))
        for _ in range(max(1, count // _STEP)):
            store.run(lambda tx: some(tx, places))
    return address, key


def turns(address: str) -> dict[str, tuple[int, Turn]]:
    """What one client does in one turn, by name, and how many requests that is."""
    agent = f"/v1/agents/{quote(address, safe='')}"
    known: list[str] = []

    async def first_page(ask: Ask, _: int) -> None:
        page = await ask("GET", f"{agent}/messages?status=all")
        known[:] = known or [item["message_id"] for item in page["items"]]

    async def whole(ask: Ask, number: int) -> None:
        await ask("GET", f"{agent}/messages/{known[number % len(known)]}?peek=true")

    async def lease_and_ack(ask: Ask, _: int) -> None:
        leased = await ask("POST", f"{agent}/queue/lease", json={"max": 1})
        await ask("POST", f"{agent}/queue/ack", json={"receipts": [item["receipt"] for item in leased["items"]]})

    return {"list": (1, first_page), "get": (1, whole), "lease+ack": (2, lease_and_ack)}


async def measured(
    http: tuple[str, int], address: str, key: str, *, clients: int, rounds: int
) -> dict[str, dict[str, float]]:
    """Requests a second, and p50 and p99 of a request in milliseconds, of each turn."""
    found = {}
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:
        for name, (requests, turn) in turns(address).items():
            taken: list[float] = []

            async def ask(method: str, path: str, taken: list[float] = taken, **more: Any) -> Any:
                began = time.perf_counter()
                url = URL(f"http://{http[0]}:{http[1]}{path}", encoded=True)
                async with session.request(method, url, **more) as response:
                    answer = await response.json()
                taken.append(time.perf_counter() - began)
                return answer

            async def client(number: int, turn: Turn = turn, ask: Ask = ask) -> None:
                for each in range(rounds // clients):
                    await turn(ask, number + each * clients)

            await turn(ask, 0)  # what is loaded once is nobody's
            taken.clear()
            began = time.perf_counter()
            await asyncio.gather(*[client(number) for number in range(clients)])
            rate = requests * (rounds // clients) * clients / (time.perf_counter() - began)
            cuts = quantiles(taken, n=100)
            found[name] = {
                "per_second": round(rate),
                "p50_ms": round(cuts[49] * 1e3, 1),
                "p99_ms": round(cuts[98] * 1e3, 1),
            }
    return found


def main() -> None:
    """Measure the almost empty store and the full one, and print a line of JSON for each."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.api", description=__doc__)
    options.add_argument("--messages", type=int, default=MESSAGES)
    options.add_argument("--clients", type=int, default=8)
    options.add_argument("--rounds", type=int, default=160, help="of each kind; at most as many as the few messages")
    options.add_argument("--url", help="a PostgreSQL database; SQLite without it")
    chosen = options.parse_args()
    for count in (FEW, chosen.messages):
        rounds = min(chosen.rounds, FEW - 1)
        with asked(chosen.url, lambda url, count=count: fill(url, count)) as (daemon, (address, key)):
            found = asyncio.run(measured(daemon.http, address, key, clients=chosen.clients, rounds=rounds))
        print(
            json.dumps({"messages": count, "database": (chosen.url or "sqlite").partition(":")[0], **found}), flush=True
        )


if __name__ == "__main__":
    main()
