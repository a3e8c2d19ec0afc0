"""One run: a world, a number of cycles, the end of all work, and the comparison with the ledger."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from relay.demo.zone_server import ZoneServer
from tests.databases import new_database
from tests.faults.disk import small_disk
from tests.faults.kinds import FAULTS, POSTGRESQL, SQLITE, Fault, faults_for
from tests.faults.ledger import Ledger
from tests.faults.places import BOT, HOOK
from tests.faults.world import World, postgres_world, sqlite_world
from tests.postgres_server import PrivateServer

_SETTLE_SECONDS = 300.0


@dataclass(frozen=True)
class Plan:
    """What one run does; the same plan does the same faults in the same order."""

    database: str
    daemons: int
    cycles: int
    seed: int
    only: tuple[str, ...] = ()  # names of faults, in this order and again; () for all of them
    number: int = 0  # among the runs with this database and number of daemons

    def faults(self) -> Iterator[Fault]:
        """The fault of each cycle: all of them in a random order, round by round."""
        if self.only:
            named = {fault.name: fault for fault in FAULTS}
            yield from islice(cycle([named[name] for name in self.only]), self.cycles)
            return
        dice = Random(self.seed)
        left: list[Fault] = []
        for _ in range(self.cycles):
            if not left:
                left = faults_for(self.database)
                dice.shuffle(left)
            yield left.pop()


@dataclass(frozen=True)
class Result:
    """What a run did and found."""

    plan: Plan
    ledger: Ledger
    cycles: list[dict[str, Any]]  # fault, group, detail, seconds, pace
    statuses: dict[str, int]  # messages that agents wrote, by final status
    seconds: float


async def run(
    plan: Plan,
    *,
    postgres: str | None = None,
    server: PrivateServer | None = None,
    tell: Callable[[str], None] = lambda _: None,
    end: float = math.inf,
) -> Result:
    """Carry out *plan*; on PostgreSQL in a new database of the server at *postgres*.

    *server* is that server if it may be killed and frozen. Each cycle is told to *tell*; none
    begins after *end*, of the monotonic clock.
    """
    began, told = time.monotonic(), []
    async with _made(plan, postgres, server) as world:
        for number, fault in enumerate(plan.faults(), start=1):
            start = time.monotonic()
            if start > end:
                break
            world.ledger.cycle = number
            detail = await _carried_out(fault, world)
            await world.recover()
            await world.check()
            seconds, pace = round(time.monotonic() - start, 2), round(world.ledger.pace.since(start), 1)
            tell(f"{plan.database} {plan.daemons} {number}: {fault.name}: {detail}, {seconds} s, pace {pace}")
            told.append({"fault": fault.name, "group": fault.group or fault.name, "detail": detail})
            told[-1] |= {"seconds": seconds, "pace": pace}
        statuses = await _settle(world)
    return Result(plan, world.ledger, told, dict(Counter(statuses.values())), time.monotonic() - began)


async def _carried_out(fault: Fault, world: World) -> str:
    try:
        return await fault.run(world)
    except Exception as error:  # noqa: BLE001 (the run goes on, and ends with a finding)
        world.ledger.find("bugs", f"{fault.name!r} itself failed: {error!r}")
        return "failed"


async def _settle(world: World) -> dict[str, str]:
    """Let all work end, stop the daemons, and judge; returns the final status of each message that agents wrote."""
    ledger = world.ledger
    await world.traffic.end_sending()
    end = time.monotonic() + _SETTLE_SECONDS
    while (waiting := await asyncio.to_thread(world.facts.waiting)) != (0, 0) and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    if waiting != (0, 0):
        ledger.find("unsettled", f"{waiting[0]} deliveries and {waiting[1]} queued messages")
    await world.traffic.stop()
    for daemon in world.daemons:
        if (status := await asyncio.to_thread(daemon.terminate)) != 0:
            ledger.find("bugs", f"a daemon that was told to stop ended with {status}")
    await world.check()
    inbound, statuses = world.facts.inbound(), world.facts.send_statuses()
    ledger.require_there(ledger.promised, set(statuses).union(*inbound.values()))
    ledger.judge_mails(inbound.get(HOOK, set()), inbound.get(BOT, set()))
    ledger.judge_handing_out()
    ledger.judge_sends(statuses)
    ledger.judge_twins(world.facts.twins())
    for daemon in world.daemons:
        ledger.judge_log(daemon.lines())
    return statuses


@asynccontextmanager
async def _made(plan: Plan, postgres: str | None, server: PrivateServer | None) -> AsyncIterator[World]:
    dice = Random(plan.seed + 1)
    zone = ZoneServer({})
    await zone.start()
    nameserver = "{}:{}".format(*zone.address)
    try:
        with TemporaryDirectory(prefix="mailseal-faults-") as name:
            folder = Path(name)
            if plan.database == SQLITE:
                with small_disk(folder) as disk:
                    async with sqlite_world(folder, dice, nameserver=nameserver, disk=disk) as world:
                        yield world
                return
            assert plan.database == POSTGRESQL
            assert postgres is not None
            with new_database(postgres) as url:
                async with postgres_world(
                    folder, dice, nameserver=nameserver, server=server, url=url, daemons=plan.daemons
                ) as world:
                    yield world
    finally:
        await zone.stop()
