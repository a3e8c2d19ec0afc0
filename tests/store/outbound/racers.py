"""Many who want the same holds at once, as threads of a test or as processes of their own.

``python -m tests.store.outbound.racers WHAT URL TIME ARGUMENTS…``: says ``ready``, begins when it is told to on its input, and
answers with a line of JSON.
"""

import asyncio
import json
import random
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from subprocess import PIPE, Popen

from store.database.connect import open_store
from store.engine import Store
from store.errors import StoreError
from store.outbound.handover import approve_and_send, expire_approve_and_send
from store.outbound.holds import expire_reject, list_expired_pending, reject_pending
from store.outbound.unconfirmed import sweep_unconfirmed
from tests.places import keep_message, new_message
from tests.store.gate import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[3]
CROWD = ("approve", "approve", "reject", "expire_and_send", "expire_and_reject")  # of one racer, for each hold


@dataclass(frozen=True)
class Race:
    """What every racer has."""

    store: Store
    now: datetime
    begins: Callable[[], Awaitable[None]]  # returns when all are ready


class Provider:
    """A send that takes a moment, remembers what it was handed, and refuses the first *refusals*."""

    def __init__(self, refusals=0):
        self.refusals = refusals
        self.taken = []

    async def __call__(self, outgoing):
        await asyncio.sleep(0)
        if self.refusals > 0:
            self.refusals -= 1
            raise ConnectionRefusedError
        self.taken.append(outgoing.message.id)
        await asyncio.sleep(0.005)  # as a provider does: meanwhile the others come
        return f"0100{len(self.taken)}"


async def decide(store, how, hold, *, send, now):
    """The status that *hold*, a user's message, comes to by this decision, or the name of the error."""
    user, message_id = hold

    def clock():
        return now

    try:
        match how:
            case "approve":
                done = await approve_and_send(store, user, message_id, send, clock=clock)
            case "expire_and_send":
                done = await expire_approve_and_send(store, message_id, send, clock=clock)
            case "reject":
                done = await store.write(lambda tx: reject_pending(tx, user, message_id, now=now))
            case "expire_and_reject":
                done = await store.write(lambda tx: expire_reject(tx, message_id, now=now))
    except (StoreError, OSError) as error:
        return type(error).__name__
    return done.status


async def want_all(race, seed, user, refusals, *holds):
    """Everybody of the crowd wants each of *holds*, in an order of this racer's own."""
    wants = [(how, message_id) for message_id in holds for how in CROWD]
    random.Random(seed).shuffle(wants)
    send = Provider(int(refusals))
    await race.begins()
    answers = await asyncio.gather(
        *[decide(race.store, how, (user, message_id), send=send, now=race.now) for how, message_id in wants]
    )
    told = [[message_id, answer] for (_, message_id), answer in zip(wants, answers, strict=True)]
    return {"answers": told, "taken": send.taken}


async def expire_all(race, limit):
    """As a worker does: look for holds whose time is over and send them, until there are none."""
    send, answers = Provider(), []
    await race.begins()
    while found := await race.store.read(lambda tx: list_expired_pending(tx, limit=int(limit), now=race.now)):
        for hold in found:
            whose = hold.user_id, hold.message_id
            answers.append(
                [hold.message_id, await decide(race.store, "expire_and_send", whose, send=send, now=race.now)]
            )
    return {"answers": answers, "taken": send.taken}


async def sweep_all(race, limit):
    """What this sweeper made unconfirmed, batch by batch, until it found nothing."""
    swept = []
    await race.begins()
    while batch := await race.store.write(lambda tx: sweep_unconfirmed(tx, limit=int(limit), now=race.now)):
        swept += batch
    return swept


async def arrive(race, agent, count):
    """The ids of *count* mails that arrive for *agent*, several at a time."""
    raw = b"Subject: hi\r\n\r\n"
    news = [new_message(agent, raw, at=race.now) for _ in range(int(count))]
    await race.begins()
    for start in range(0, len(news), 5):
        some = news[start : start + 5]
        await asyncio.gather(*[race.store.write(lambda tx, new=new: keep_message(tx, new, raw)) for new in some])
    return [new.id for new in news]


async def die_with_the_answer(race, user, message_id):
    """Approve, and never come back from the provider: it says so, and waits to be killed."""

    async def send(_outgoing):
        print("the provider said yes", flush=True)
        await asyncio.Event().wait()

    await race.begins()
    await approve_and_send(race.store, user, message_id, send, clock=lambda: race.now)


RACES = {run.__name__: run for run in (want_all, expire_all, sweep_all, arrive, die_with_the_answer)}


async def run(what, url, now, begins, *arguments):
    """What one racer answers, with a store of its own on *url*."""
    store = open_store(url)
    store.start()
    try:
        return await RACES[what](Race(store, now, begins), *arguments)
    finally:
        await store.stop()


def in_threads(what, url, now, *entries):
    """What each racer answers, a thread with a loop and a store for each of *entries*, all begun at once."""
    start = threading.Barrier(len(entries))

    async def begins():
        await asyncio.to_thread(start.wait, PATIENCE_SECONDS)

    with ThreadPoolExecutor(len(entries)) as threads:
        return list(threads.map(lambda arguments: asyncio.run(run(what, url, now, begins, *arguments)), entries))


def in_processes(what, url, now, *entries):
    """The same, a process for each."""
    with ExitStack() as stack:
        processes = [stack.enter_context(begin(what, url, now, *arguments)) for arguments in entries]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            tell(process)
        return [json.loads(process.stdout.readline()) for process in processes]


def begin(what, url, now, *arguments):
    """A racer's process; its pipes are text."""
    command = [sys.executable, "-m", "tests.store.outbound.racers", what, url, now.isoformat(), *map(str, arguments)]
    return Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT)


def tell(process):
    """Have a racer begin that is ready."""
    process.stdin.write("go\n")
    process.stdin.flush()


def main():
    what, url, now, *arguments = sys.argv[1:]

    async def begins():
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

    answer = asyncio.run(run(what, url, datetime.fromisoformat(now), begins, *arguments))
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
