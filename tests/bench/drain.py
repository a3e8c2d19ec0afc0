"""``python -m tests.bench.drain``: ten thousand put-off deliveries to one endpoint fall due at once.

A real daemon posts them, while mail for another agent comes in at a steady pace. Prints one line of JSON: how many
deliveries a second the first endpoint got, and how long after its 250 each mail for the other agent was posted.
"""

import argparse
import json
import secrets
import tempfile
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from random import Random
from typing import Final

from sqlalchemy import update

from store.ids import new_message_id
from store.schema.inbound import deliveries
from store.transaction import Tx
from tests.bench import servers, world
from tests.bench.asked import asked, furnished
from tests.bench.measure import cpu_seconds
from tests.bench.rounds import Way, drain, load, spread
from tests.bench.servers import Target
from tests.places import Places

_AT_ONCE: Final = 500  # messages in a transaction
_DUE_SECONDS: Final = 6.0  # after the store is filled: the daemon listens by then
_LEAST: Final = 100  # deliveries a second: a slower drain is given up
_PACE: Final = 20  # mails a second to the other agent


def fill(url: str, count: int, ports: tuple[int, int]) -> tuple[str, datetime]:
    """An agent with *count* deliveries that fall due later, and another; its address, and when they fall due."""
    run = secrets.token_hex(4)  # a database given by URL may hold the agents of an earlier run
    late, prompt = f"late-{run}@{world.AGENTS}", f"prompt-{run}@{world.AGENTS}"
    with furnished(url) as (store, places):

        def agents(tx):
            user = places.user(tx)
            places.domain(tx, user, world.AGENTS)
            for address, port in zip((late, prompt), ports, strict=True):
                places.agent(tx, user, address, webhook=f"http://127.0.0.1:{port}/hook")

        places.allow = (ip_network("127.0.0.0/8"),)
        store.run(agents)
        mails = _mails()
        for start in range(0, count, _AT_ONCE):
            some = range(start, min(start + _AT_ONCE, count))
            store.run(lambda tx, some=some: [_keep(tx, places, late, mails[n % len(mails)]) for n in some])
        due = datetime.now(UTC) + timedelta(seconds=_DUE_SECONDS)
        store.run(lambda tx: tx.execute(update(deliveries).values(due_at=due)) and None)
    return prompt, due


def _keep(tx: Tx, places: Places, agent: str, mail: bytes) -> None:
    """Keep *mail* with the header that the sink knows a message by."""
    name = new_message_id()
    places.message(tx, agent, mail, id=name, auth_headers={"Mailseal-Message-Id": name})


def _mails() -> list[bytes]:
    """Mails of 5 kB, without a signature: their verdict is in the store."""
    dice = Random(1870)
    words = [dice.choices(("invoice", "order", "meeting", "thanks", "delivery"), k=12) for _ in range(60)]
    body = "\r\n".join(" ".join(each) for each in words)
    return [f"From: ana@sender.example\r\nSubject: Report {n}\r\n\r\n{body}\r\n".encode() for n in range(50)]


def measured(target: Target, corpus: Path, count: int, due: datetime, ports: tuple[int, int]) -> dict[str, float]:
    """Send to the other agent while the deliveries go out."""
    time.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds() - 0.2))
    cpu = cpu_seconds(target.pid)
    began = time.monotonic_ns()
    sent = load(target, Way(corpus=corpus, mails=max(20, count // 50), senders=4, pace=_PACE))
    drain(ports[0], count, seconds=count / _LEAST)
    drain(ports[1], len(sent["mails"]))
    cpu = cpu_seconds(target.pid) - cpu
    late, prompt = (servers.sink_report(port)["arrivals"] for port in ports)
    first, last = min(late.values()), max(late.values())
    behind = [(prompt[name] - done) / 1e6 for name, _, done in sent["mails"] if began < done < last]
    p50, p99 = spread(behind)
    return {
        "deliveries": count,
        "per_second": count / ((last - first) / 1e9),
        "other_mails": len(behind),
        "other_p50_ms": p50,
        "other_p99_ms": p99,
        "other_most_ms": max(behind),
        "cpu_ms_a_delivery": cpu * 1000 / (count + len(sent["mails"])),
    }


def main() -> None:
    """Measure once and print a line of JSON."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--count", type=int, default=10_000)
    options.add_argument("--url", help="a PostgreSQL database; SQLite without it")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        private, public = world.make_key()
        world.write_zone(work / "zone.json", world.make_zone(public))
        world.write_corpus(work / "corpus.json", list(world.letters(private, 20)))
        with servers.dns(work) as dns, servers.sink(work) as late, servers.sink(work) as prompt:
            ports = (late, prompt)
            settings = {"MAILSEAL_DNS_NAMESERVERS": f"127.0.0.1:{dns}", "MAILSEAL_WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8"}
            with asked(chosen.url, lambda url: fill(url, chosen.count, ports), **settings) as (daemon, (agent, due)):
                target = Target(pid=daemon.pid, port=daemon.smtp[1], rcpt=agent)
                found = measured(target, work / "corpus.json", chosen.count, due, ports)
    print(json.dumps({name: round(value, 2) for name, value in found.items()}))


if __name__ == "__main__":
    main()
