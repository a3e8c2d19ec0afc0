"""Whether the store of a running daemon can take mail now: there, its own, writable, and with room; and its spool."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from relay.clock import Clock
from relay.clock_watch import ClockWatch
from relay.settings import Settings
from relay.signing.master_check import has_check, is_master_of
from relay.signing.secrets import MasterKey
from relay.spool import spool_fault
from store.database.connect import database_file
from store.directory.hosted import has_lost_domains
from store.engine import Store
from store.errors import StoreError, Unavailable, words_of
from store.facts import PROBE, probe, read_fact
from store.transaction import Tx

LOOK_EVERY: Final = timedelta(seconds=5)
ANSWER_SECONDS: Final = 1.5  # a readiness check is answered within 2 s
_LOST: Final = "the database has no verified domain, and had one: restore the store's rows from a backup"
_OTHER: Final = "the database holds the store of another master key"
log = structlog.get_logger("relay.daemon")


class StoreHealth:
    """Looks at the store on demand, and remembers when it is not the daemon's own any more."""

    def __init__(self, store: Store, master: MasterKey, settings: Settings, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._clock_watch = ClockWatch()
        self._master = master
        self._spool = settings.spool_dir
        self._least = settings.min_free_bytes
        file = database_file(settings.database)
        self._places = [settings.data_dir, *([file.parent] if file is not None else [])]
        self._fault: str | None = None  # why the store is not the own one, at the last look
        self._trouble: str | None = None  # as logged last
        self._looking = asyncio.Lock()
        self._look_began = float("-inf")  # on the loop's clock

    async def is_good(self) -> bool:
        """Whether mail can be stored now; answers within 2 s. A change is logged, with the cause.

        A look is a commit, so requests that wait for the end of one share the next; or share its bad news, as two looks
        would take longer than 2 s.
        """
        loop = asyncio.get_running_loop()
        arrived, waited = loop.time(), self._looking.locked()
        async with self._looking:
            if self._look_began < arrived and not (waited and self._trouble):
                self._look_began = loop.time()
                await self._look()
            return self._trouble is None

    async def _look(self) -> None:
        trouble = self._lack_of_room() or spool_fault(self._spool) or await self._refusal()
        if trouble != self._trouble:
            self._tell(trouble)

    async def look_again(self, _stop: asyncio.Event) -> None:
        """Look, for what is logged and for require_own; and at the clock."""
        self._clock_watch.note(self._clock.now(), asyncio.get_running_loop().time())
        await self.is_good()

    def require_own(self) -> None:
        """Raise Unavailable: at the last look the store was another master key's, or had lost its domains."""
        if self._fault is not None:
            raise Unavailable(self._fault)

    async def _refusal(self) -> str | None:
        try:
            self._fault = await self._store.write(self._probe, within=ANSWER_SECONDS)
        except StoreError as error:
            return words_of(error)
        return self._fault

    async def require_domains(self) -> None:
        """Raise Unavailable: the store lost its domains, so that no recipient can be called unknown."""
        if await self._store.read_on_loop(has_lost_domains):
            raise Unavailable(_LOST)

    def _probe(self, tx: Tx) -> str | None:
        """Test a write; why the store is not the daemon's own, or None."""
        now, written = self._clock.now(), read_fact(tx, PROBE)
        self._clock_watch.note_written(written.at if written else None, now)
        probe(tx, now=now)
        if not has_check(tx) or not is_master_of(tx, self._master):
            return _OTHER
        return _LOST if has_lost_domains(tx) else None

    def _lack_of_room(self) -> str | None:
        for place in self._places:
            free = _free_bytes(place)
            if free is not None and free < self._least:
                return f"{place} has {free} bytes free, and MAILSEAL_MIN_FREE_BYTES is {self._least}"
        return None

    def _tell(self, trouble: str | None) -> None:
        self._trouble = trouble
        if trouble is None:
            log.info("store_usable")
        else:
            log.error("store_unusable", cause=trouble)


def _free_bytes(place: Path) -> int | None:
    """Bytes that may still be written to the file system of *place*; None if it cannot be told."""
    try:
        room = os.statvfs(place)
    except OSError:
        return None
    return room.f_bavail * room.f_frsize
