"""Keeping a transaction open until the test says so, to make what comes meanwhile a certain thing."""

import asyncio
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from sqlalchemy import event, text

PATIENCE_SECONDS = 20


class Gate:
    """A unit that does its *work*, then stays in its transaction until the gate is opened."""

    def __init__(self, work=None):
        self._work = work or (lambda tx: None)
        self._reached = threading.Event()
        self._opened = threading.Event()

    def unit(self, tx):
        value = self._work(tx)
        self._reached.set()
        assert self._opened.wait(PATIENCE_SECONDS), "nobody opened the gate"
        return value

    def reached(self):
        assert self._reached.wait(PATIENCE_SECONDS), "nobody came to the gate"

    async def is_reached(self):
        await asyncio.to_thread(self.reached)

    def open(self):
        self._opened.set()


async def lined_up(ask, units):
    """Tasks of *ask* for each unit, all of them in line when this returns."""
    tasks = [asyncio.ensure_future(ask(unit)) for unit in units]
    await asyncio.sleep(0)  # each has run up to where it waits
    return tasks


async def in_one_group(ask, *units):
    """What *ask* (write or read, of a store with one such thread) gives each of *units* as one group."""
    gate = Gate()
    holder = asyncio.ensure_future(ask(gate.unit))
    await gate.is_reached()
    tasks = await lined_up(ask, units)
    gate.open()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    await holder
    return answers


class Commits:
    """Counts the transactions that *engine* ends with COMMIT."""

    def __init__(self, engine):
        self.count = 0
        event.listen(engine, "commit", self._on_commit)

    def _on_commit(self, _connection):
        self.count += 1


def eventually(look, *, of_what):
    """The first true answer of *look*; fails when there is none in a long while."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.01)  # a server's own state: there is nothing to wait on
    raise AssertionError(f"never seen: {of_what}")


def wait_until_blocked(engine):
    """Return once somebody waits for another's lock (PostgreSQL)."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )

    def look():
        with engine.connect() as connection:
            return connection.execute(waiting).scalar_one()

    eventually(look, of_what="a transaction that waits for another")


def run_beside(store, unit):
    """*unit* on a thread of its own, begun; ``.result()`` waits for its answer."""
    answer = Future()

    def run():
        try:
            answer.set_result(store.run(unit))
        except Exception as error:  # noqa: BLE001 (goes to whoever asks for the answer)
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return answer


def together(asks):
    """What each of *asks* answers, or raises, all of them begun at once on threads of their own."""
    start = threading.Barrier(len(asks))

    def ask(one):
        start.wait(PATIENCE_SECONDS)
        try:
            return one()
        except Exception as error:  # noqa: BLE001 (an answer too)
            return error

    with ThreadPoolExecutor(len(asks)) as threads:
        return list(threads.map(ask, asks))
