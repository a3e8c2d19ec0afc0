"""Run attacks one after the other on a relay that a witness uses, and tell what each did to the witness."""

import asyncio
import re
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from subprocess import Popen
from typing import Final
from urllib.request import urlopen

from tests.bench.measure import cpu_seconds
from tests.siege.attacks import Attack
from tests.siege.besieged import Besieged, attack_process, outcome
from tests.siege.witness import Hook, Witness

MOST_MEGABYTES: Final = 400
MOST_MILLISECONDS: Final = 250  # of the witness's 99th percentile
_REST_SECONDS: Final = 2.0  # after each attack, for connections that are being closed
_LOOK_SECONDS: Final = 0.3
_SAMPLE: Final = re.compile(r"^(mailseal_\S+) (\S+)$", re.MULTILINE)
_BOUND: Final = 'mailseal_bounds_total{{bound="{}"}}'


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one attack did."""

    name: str
    requests: int  # of the witness
    refused: Sequence[str]  # each with its words
    milliseconds: Mapping[str, float]  # of the witness: p50, p99, max
    by_kind: Mapping[str, float]  # p99 in milliseconds of each kind of request
    own_p99: float  # milliseconds of the witness without the time for which relay or witness waited for a core
    cores: float  # of CPU that the relay used
    megabytes: float  # the most memory of the daemon
    bounds: Mapping[str, int]  # the counters that moved
    done: Mapping[str, int]  # what the attacker did

    @property
    def has_moved(self) -> bool:
        """Whether a bound of the attack was counted."""
        return bool(self.bounds)


class Siege:
    """One relay with its witness, and attacks on it in turn."""

    def __init__(self, relay: Besieged, hook: Hook) -> None:
        self._relay = relay
        self._witness = Witness(relay, hook)
        self._number = 0

    async def warm_up(self) -> None:
        """Use the relay once, so that all is loaded."""
        self._witness.start()
        await asyncio.sleep(1)
        notes = await self._witness.stop()
        assert not notes.refused, notes.refused
        self._relay.peak_megabytes()

    async def calm(self, seconds: float) -> Report:
        """The witness without an attack."""
        return await self._watched("(none)", asyncio.sleep(seconds, {}), ())

    async def attack(self, attack: Attack, seconds: float) -> Report:
        """The witness beside *attack*, for *seconds* or as long as the attack needs."""
        attacker = await self._begun(attack, max(seconds, attack.seconds))
        report = await self._watched(attack.name, asyncio.to_thread(outcome, attacker), attack.bounds)
        await asyncio.sleep(_REST_SECONDS)
        return report

    async def attack_until_bound(self, attack: Attack, least: float, most: float) -> Report:
        """The witness beside *attack*, for *least* seconds and until a bound is counted."""
        attacker = await self._begun(attack, most)
        before, loop = await asyncio.to_thread(samples, self._relay), asyncio.get_running_loop()

        async def ended() -> Mapping[str, int]:
            began = loop.time()
            while attacker.poll() is None:
                await asyncio.sleep(_LOOK_SECONDS)
                now = await asyncio.to_thread(samples, self._relay)
                if loop.time() - began >= least and any(_moved(before, now, attack.bounds).values()):
                    attacker.terminate()
            return await asyncio.to_thread(outcome, attacker)

        return await self._watched(attack.name, ended(), attack.bounds)

    async def _begun(self, attack: Attack, seconds: float) -> "Popen[str]":
        self._number += 1
        aim = await asyncio.to_thread(self._relay.aim, self._number, seconds)
        return await asyncio.to_thread(attack_process, attack.name, aim)

    async def _watched(self, name: str, ends: Awaitable[Mapping[str, int]], bounds: Sequence[str]) -> Report:
        """Use the relay until *ends*, and say how that was and which of *bounds* were counted."""
        pid, loop = self._relay.daemon.pid, asyncio.get_running_loop()
        before, used, began = await asyncio.to_thread(samples, self._relay), cpu_seconds(pid), loop.time()
        self._witness.start()
        done = await ends
        notes = await self._witness.stop()
        cores = (cpu_seconds(pid) - used) / (loop.time() - began)
        after = await asyncio.to_thread(samples, self._relay)
        every = notes.all
        return Report(
            name=name,
            requests=len(every),
            refused=notes.refused,
            milliseconds={"p50": percentile(every, 50), "p99": percentile(every, 99), "max": percentile(every, 100)},
            by_kind={kind: percentile(sorted(seconds), 99) for kind, seconds in notes.seconds.items()},
            own_p99=percentile(sorted(notes.own), 99),
            cores=round(cores, 2),
            megabytes=round(self._relay.peak_megabytes(), 1),
            bounds={each: times for each, times in _moved(before, after, bounds).items() if times},
            done=done,
        )


def samples(relay: Besieged) -> Mapping[str, float]:
    """The values of /metrics by name and labels."""
    with urlopen("http://{}:{}/metrics".format(*relay.daemon.http), timeout=20) as answer:
        return {name: float(value) for name, value in _SAMPLE.findall(answer.read().decode())}


def _moved(before: Mapping[str, float], after: Mapping[str, float], bounds: Sequence[str]) -> Mapping[str, int]:
    """How often each bound was counted between two looks at /metrics."""
    return {each: int(after.get(_key(each), 0) - before.get(_key(each), 0)) for each in bounds}


def _key(bound: str) -> str:
    return bound if "{" in bound else _BOUND.format(bound)


def percentile(seconds: Sequence[float], most: float) -> float:
    """Milliseconds that *most* percent of *seconds*, which are in order, do not exceed."""
    return round(1000 * seconds[min(len(seconds) - 1, int(len(seconds) * most / 100))], 1) if seconds else 0.0


def now() -> str:
    """The date and time in UTC."""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime())
