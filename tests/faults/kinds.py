"""The faults: what is done to a relay in one cycle. Each removes itself again; dead daemons are started afterwards."""

import asyncio
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import psycopg

from tests.faults.places import OUTER_STEPS
from tests.faults.steps import INNER_STEPS
from tests.faults.world import World

STEP_SECONDS = 3.0  # a step that traffic does not reach by then is killed at anyway
LONG_SECONDS = (11.0, 15.0)  # longer than the database's own limits
SHORT_SECONDS = (0.2, 1.2)
SQLITE, POSTGRESQL = "sqlite", "postgresql"
BOTH = (SQLITE, POSTGRESQL)


@dataclass(frozen=True)
class Fault:
    """One kind of fault."""

    name: str
    run: Callable[[World], Awaitable[str]]  # returns what happened in a few words
    databases: tuple[str, ...] = BOTH
    weight: int = 1  # how often it comes in one round of all faults
    group: str = ""  # its row in the report; "" is its own name


async def kill_now(world: World) -> str:
    await _some_load(world)
    dying = world.dice.sample(world.daemons, world.dice.randint(1, len(world.daemons)))
    for each in dying:
        each.kill()
    return f"{len(dying)} killed"


async def kill_at_outer_step(world: World, step: str) -> str:
    world.places.arm(step)
    try:
        await asyncio.wait_for(world.places.was_reached.wait(), STEP_SECONDS)
    except TimeoutError:
        return await _kill_instead(world)
    return "reached"


async def kill_at_inner_step(world: World, step: str) -> str:
    world.armed.with_suffix(".new").write_text(step)
    world.armed.with_suffix(".new").rename(world.armed)
    for _ in range(int(STEP_SECONDS / 0.02)):
        if any(not each.is_alive for each in world.daemons):
            for each in world.daemons:
                if not each.is_alive:
                    each.kill()
            return "reached"
        await asyncio.sleep(0.02)
    return await _kill_instead(world)


async def _kill_instead(world: World) -> str:
    world.places.arm(None)
    world.armed.unlink(missing_ok=True)
    await kill_now(world)
    return "not reached, killed then"


async def kill_at_start(world: World) -> str:
    daemon = world.dice.choice(world.daemons)
    daemon.kill()
    await asyncio.to_thread(daemon.fork)
    await asyncio.sleep(world.dice.uniform(0, 1.0))  # this is the fault, not a wait
    daemon.kill()
    return "killed while it started"


async def stop_and_start(world: World) -> str:
    await _some_load(world)
    status = await asyncio.to_thread(world.dice.choice(world.daemons).terminate)
    if status != 0:
        world.ledger.find("bugs", f"a daemon that was told to stop ended with {status}")
    return f"exit status {status}"


async def freeze_daemon(world: World) -> str:
    frozen = world.dice.choice(world.daemons)
    await _some_load(world)
    frozen.signal(signal.SIGSTOP)
    seconds = await _hold(world)
    frozen.signal(signal.SIGCONT)
    return f"{seconds:.1f} s"


async def freeze_for_long(world: World) -> str:
    """Longer than a claim of deliveries lasts: other daemons make them meanwhile."""
    frozen = world.dice.choice(world.daemons)
    await _some_load(world)
    frozen.signal(signal.SIGSTOP)
    await asyncio.sleep(seconds := world.dice.uniform(*LONG_SECONDS))  # this is the fault, not a wait
    frozen.signal(signal.SIGCONT)
    return f"{seconds:.1f} s"


async def freeze_and_kill(world: World) -> str:
    frozen = world.dice.choice(world.daemons)
    frozen.signal(signal.SIGSTOP)
    await _hold(world)
    frozen.kill()
    return "killed while it was frozen"


async def full_disk(world: World) -> str:
    if world.disk is None:
        return "skipped: no disk could be mounted"
    room = world.dice.choice([0, 4096, 100_000])
    with world.disk.full(room):
        await _hold(world, least=0.8)
    return f"{room} bytes free"


async def read_only_disk(world: World) -> str:
    if world.disk is None:
        return "skipped: no disk could be mounted"
    await _some_load(world)
    with world.disk.read_only(world.folder):
        seconds = await _hold(world, least=0.8)
    return f"{seconds:.1f} s"


async def locked_file(world: World, *, seconds: tuple[float, float] = SHORT_SECONDS) -> str:
    held = world.dice.uniform(*seconds)

    def hold() -> None:
        with closing(sqlite3.connect(world.folder / "mailseal.db", isolation_level=None, timeout=20)) as other:
            other.execute("BEGIN EXCLUSIVE")
            stop.wait(held)
            other.execute("ROLLBACK")

    import threading

    stop = threading.Event()
    await asyncio.to_thread(hold)
    return f"{held:.1f} s"


async def locked_table(world: World, *, seconds: tuple[float, float] = SHORT_SECONDS) -> str:
    held, table = world.dice.uniform(*seconds), world.dice.choice(["messages", "deliveries", "agents"])
    async with await psycopg.AsyncConnection.connect(_operators(world)) as other:
        await other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(held)  # this is the fault, not a wait
        await other.rollback()
    return f"{table}, {held:.1f} s"


async def ended_connections(world: World) -> str:
    await _some_load(world)
    async with await psycopg.AsyncConnection.connect(_operators(world), autocommit=True) as other:
        ended = await other.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        row = await ended.fetchone()
    return f"{row[0] if row else 0} connections"


async def killed_server(world: World) -> str:
    server = world.server
    assert server is not None
    await _some_load(world)
    await asyncio.to_thread(server.kill)
    await _hold(world)
    await asyncio.to_thread(server.start_again)
    return "started again"


async def frozen_server(world: World, *, seconds: tuple[float, float] = SHORT_SECONDS) -> str:
    assert world.server is not None
    await _some_load(world)
    held = world.dice.uniform(*seconds)
    with world.server.frozen():
        await asyncio.sleep(held)  # this is the fault, not a wait
    return f"{held:.1f} s"


async def cut_off(world: World, *, seconds: tuple[float, float] = SHORT_SECONDS) -> str:
    network = world.network
    assert network is not None
    await _some_load(world)
    held, stays = world.dice.uniform(*seconds), world.dice.random() < 0.5
    network.drop()
    await asyncio.sleep(held)  # this is the fault, not a wait
    network.restore(old_connections=stays)
    return f"{held:.1f} s, old connections {'live on' if stays else 'are silent'}"


async def reset_connections(world: World) -> str:
    assert world.network is not None
    await _some_load(world)
    world.network.reset()
    return "all"


async def cut_at_commit(world: World, *, passes: bool) -> str:
    assert world.network is not None
    was_cut = await world.network.cut_at(b"COMMIT", passes=passes, seconds=STEP_SECONDS)
    return "reached" if was_cut else "not reached"


def _operators(world: World) -> str:
    """A way to the database that no fault touches, for psycopg."""
    return world.facts.url.replace("postgresql+psycopg", "postgresql")


async def _some_load(world: World) -> None:
    await asyncio.sleep(world.dice.uniform(0.05, 0.4))  # this is the load, not a wait


async def _hold(world: World, *, least: float = 0.0) -> float:
    seconds = max(least, world.dice.uniform(*SHORT_SECONDS))
    await asyncio.sleep(seconds)  # this is the fault, not a wait
    return seconds


_ONE, _TWO = (SQLITE,), (POSTGRESQL,)
FAULTS = (
    Fault("kill -9 at a random moment", kill_now, weight=8),
    Fault("kill -9 while it starts", kill_at_start, weight=2),
    *(
        Fault(f"kill -9, {step}", partial(kill_at_outer_step, step=step), group="kill -9 at a step of its peers")
        for step in OUTER_STEPS
    ),
    *(
        Fault(f"kill -9, {step}", partial(kill_at_inner_step, step=step), group="kill -9 at a step of the store")
        for step in INNER_STEPS
    ),
    Fault("SIGTERM and start", stop_and_start, weight=2),
    Fault("SIGSTOP, SIGCONT", freeze_daemon, weight=4),
    Fault("SIGSTOP, SIGCONT, longer than a claim lasts", freeze_for_long, (POSTGRESQL,), weight=2),
    Fault("SIGSTOP, kill -9", freeze_and_kill),
    Fault("full disk", full_disk, _ONE, weight=8),
    Fault("read-only disk", read_only_disk, _ONE, weight=8),
    Fault("locked database", locked_file, _ONE, weight=6),
    Fault("locked database, longer than it waits", partial(locked_file, seconds=(6.0, 7.0)), _ONE),
    Fault("locked table", locked_table, _TWO, weight=4),
    Fault("locked table, longer than it waits", partial(locked_table, seconds=LONG_SECONDS), _TWO),
    Fault("connections ended by the server", ended_connections, _TWO, weight=3),
    Fault("PostgreSQL killed", killed_server, _TWO, weight=8),
    Fault("PostgreSQL frozen", frozen_server, _TWO, weight=6),
    Fault("PostgreSQL frozen, longer than it waits", partial(frozen_server, seconds=LONG_SECONDS), _TWO),
    Fault("PostgreSQL cut off", cut_off, _TWO, weight=6),
    Fault("PostgreSQL cut off, longer than it waits", partial(cut_off, seconds=LONG_SECONDS), _TWO),
    Fault("PostgreSQL's connections reset", reset_connections, _TWO, weight=3),
    Fault("connection cut before a commit", partial(cut_at_commit, passes=False), _TWO, weight=4),
    Fault("connection cut after a commit", partial(cut_at_commit, passes=True), _TWO, weight=6),
)


def faults_for(database: str) -> list[Fault]:
    """One round of all faults for a database, each as often as its weight says."""
    return [fault for fault in FAULTS if database in fault.databases for _ in range(fault.weight)]
