"""The store's engine: one writer thread that groups commits, and reader threads.

A *unit* is a synchronous function ``unit(tx) -> value`` made of the queries in this package.
``await store.write(unit)`` runs it in one transaction with all other units waiting at that moment,
so that one fsync serves all of them; ``await store.read(unit)`` runs it on a reader, in parallel to the writer.

A unit may run more than once. A group first runs without savepoints. If one unit fails, the group is rolled
back and run again with a savepoint per unit, so that a failure affects only its own unit. A unit that loses a
race against another process in its savepoint too (deadlock, serialization failure, unique violation) is then
retried in a transaction of its own.

No caller waits without an end: when the database has not answered in time, the caller gets Unavailable, and a unit
that has not begun is withdrawn.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from queue import SimpleQueue
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from store.database.error_translation import lost_a_race, translated
from store.database.kept_connection import KeptConnection
from store.database.pg_limits import allow_idle, share_lock_wait
from store.errors import Unavailable
from store.meter import StoreMeter, Unmetered
from store.transaction import Tx, Unit
from store.waiting_units import WaitingUnit, answer_all, next_group, run_in_savepoint, run_read
from store.wake import Notifier

T = TypeVar("T")

BEGIN_OPTION: Final = (
    "mailseal_begin"  # execution option: the statement that opens a SQLite transaction; None: autocommit
)
WAIT_SECONDS: Final = 18.0  # of a caller for its unit: a sender whose mail cannot be stored hears 451 within 20 s
_TRIES_ALONE: Final = 8  # for a unit that lost a race without and with a savepoint
_PAUSE_SECONDS: Final = 0.005  # upper bound of the second try's delay; doubled for each further try


class _StoppedError(Exception):
    """The database failed for a whole group; no unit of it is retried."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _NotBegunError(_StoppedError):
    """The database did not open a transaction: unreachable, or locked for too long."""


class _NotCommittedError(_StoppedError):
    """The database did not confirm the commit.

    The group may have been committed, so no unit of it runs again.
    """


class Store:
    """A database used from an event loop, or directly by a program without one."""

    def __init__(
        self,
        engine: Engine,
        *,
        readers: int = 2,
        announce: Callable[[Tx], None] | None = None,
        require_present: Callable[[], None] | None = None,
    ) -> None:
        self.engine = engine
        self.notifier = Notifier()
        self.meter: StoreMeter = Unmetered()  # of the daemon; set it before start()
        self._announce = announce or (lambda _tx: None)
        self._require_present = require_present or (lambda: None)  # raises Unavailable, see database/present_file.py
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = False
        self._is_sqlite = engine.dialect.name == "sqlite"
        # Makes a reader's transaction one snapshot.
        self._for_reading = {BEGIN_OPTION: "BEGIN"} if self._is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self._loop_connection: Connection | None = None
        self._kept = KeptConnection(engine)  # the writer thread's alone
        self._writing: SimpleQueue[WaitingUnit | None] = SimpleQueue()
        self._reading: SimpleQueue[WaitingUnit | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._run_writer, name="store-writer", daemon=True)]
        self._threads += [
            threading.Thread(target=self._run_reader, name=f"store-reader-{n}", daemon=True) for n in range(readers)
        ]

    def start(self) -> None:
        """Start the writer and reader threads; results go to the running loop."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    async def stop(self) -> None:
        """Finish all queued units, then close every connection.

        Later calls raise Unavailable.
        """
        self._stopped = True
        self._writing.put(None)
        for _ in self._threads[1:]:
            self._reading.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._kept.close()
        self._close_loop_connection()
        self.engine.dispose()

    async def write(self, unit: Unit[T], *, within: float = WAIT_SECONDS) -> T:
        """Run *unit* in a shared transaction; return its value once the commit is on disk.

        Raises what the unit raises (a StoreError, or an error of the caller's own), or Unavailable when the database
        fails, or gives no answer *within* seconds. After an error nothing of the unit is stored, except that a commit
        whose confirmation was lost may have taken effect.
        """
        return await self._submit(self._writing, unit, within)

    async def read(self, unit: Unit[T]) -> T:
        """Run *unit* on one snapshot, on a reader thread. Raises the same errors as write."""
        return await self._submit(self._reading, unit, WAIT_SECONDS)

    async def read_on_loop(self, unit: Unit[T]) -> T:
        """Run *unit*, a single look-up by key, on the loop's thread where that is safe.

        On SQLite a reader never waits for a writer, and handing so small a query to another thread costs more than
        running it. When the query fails here, and on PostgreSQL always, it runs as ``read``. Raises the same errors
        as write.
        """
        if self._is_sqlite and not self._stopped:
            self._require_present()
            try:
                return unit(Tx(self._open_loop_connection()))
            except (SQLAlchemyError, UnicodeError):
                self._close_loop_connection()
        return await self.read(unit)

    def run(self, unit: Unit[T]) -> T:
        """Run *unit* in its own transaction on this thread, for programs without a loop.

        Raises the same errors as write.
        """
        ticket = WaitingUnit(unit, None)  # type: ignore[arg-type]
        self._commit_group([ticket])
        if ticket.error is not None:
            raise ticket.error
        value: T = ticket.value
        return value

    @contextmanager
    def snapshot(self) -> Iterator[Tx]:
        """A read-only transaction that sees one state of the database until it is closed.

        It uses its own connection, works from any thread, and serves reads that are too long for ``read``. The state is
        that of its first query. While it is open the SQLite write-ahead log cannot be truncated, so do not wait for a
        slow client inside it. Database errors are raised as by write; other errors of the block pass unchanged.
        """
        try:
            with self.engine.connect() as connection:
                reading = connection.execution_options(**self._for_reading, postgresql_readonly=True)
                allow_idle(reading)
                yield Tx(reading)
        except (SQLAlchemyError, UnicodeError) as error:
            raise translated(error) from error

    def _open_loop_connection(self) -> Connection:
        if self._loop_connection is None:
            connection = self.engine.connect().execution_options(**{BEGIN_OPTION: None})
            connection.detach()  # kept out of the pool: it must not wait for locks, pooled ones may
            connection.exec_driver_sql("PRAGMA busy_timeout=0")
            self._loop_connection = connection
        return self._loop_connection

    def _close_loop_connection(self) -> None:
        if self._loop_connection is not None:
            connection, self._loop_connection = self._loop_connection, None
            with suppress(SQLAlchemyError):
                connection.close()

    async def _submit(self, line: "SimpleQueue[WaitingUnit | None]", unit: Unit[T], within: float) -> T:
        assert self._loop is not None, "call start() before read() or write()"
        if self._stopped:
            raise Unavailable("the store is closed: this process is stopping")
        answer: asyncio.Future[T] = self._loop.create_future()
        ticket = WaitingUnit(unit, answer)
        line.put(ticket)
        # A cancelled caller does not withdraw its unit: the unit still runs, and its result is dropped.
        end = self._loop.call_later(within, self._give_up, ticket, within)
        try:
            return await answer
        finally:
            end.cancel()

    def _run_writer(self) -> None:
        while (group := next_group(self._writing)) is not None:
            began = time.monotonic()
            self._commit_group(group)
            self.meter.observe_commit(time.monotonic() - began, len(group))
            self._post_results(group)

    def _run_reader(self) -> None:
        kept = KeptConnection(self.engine, **self._for_reading)
        while (group := next_group(self._reading)) is not None:
            self._read_group(group, kept)
            self._post_results(group)
        kept.close()

    def _commit_group(self, group: Sequence[WaitingUnit]) -> None:
        try:
            topics = self._try_plain(group)
        except _StoppedError as error:
            for ticket in group:  # retries would delay every caller, or repeat a commit that took effect
                ticket.error = translated(error.reason)
            return
        except Exception as error:  # noqa: BLE001 (any error is delivered to its ticket)
            if len(group) == 1 and not lost_a_race(error):
                group[0].error = translated(error)
                return
            topics = self._with_savepoints(group)
            topics |= self._retry_losers([ticket for ticket in group if ticket.has_lost_a_race])
        if topics and self._loop is not None:
            self._on_loop(self.notifier.notify, topics)

    def _try_plain(self, group: Sequence[WaitingUnit], *, lock_share: int = 1) -> set[str]:
        with self._transaction() as connection:
            if lock_share > 1:
                share_lock_wait(connection, lock_share)
            tx = Tx(connection)
            for ticket in group:
                ticket.value = ticket.unit(tx)
            tx.flush()
            self._announce(tx)
        return tx.topics

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """A connection in a transaction that commits at the end.

        Raises _NotBegunError or _NotCommittedError.
        """
        with ExitStack() as stack:
            try:
                self._require_present()
                connection = stack.enter_context(self._connection())
                transaction = connection.begin()
            except (SQLAlchemyError, Unavailable) as error:
                raise _NotBegunError(error) from error
            is_done = False
            try:
                with transaction:
                    yield connection
                    is_done = True
            except SQLAlchemyError as error:
                if is_done and not lost_a_race(error):
                    raise _NotCommittedError(error) from error
                raise
        try:
            self._require_present()  # else a commit to a file without a name would count
        except Unavailable as error:
            raise _NotCommittedError(error) from error

    def _connection(self) -> AbstractContextManager[Connection]:
        """The writer's own connection; for a program without a loop, and for other threads, one of the pool."""
        is_writer = threading.current_thread() is self._threads[0]
        return self._kept.use() if is_writer else self.engine.connect()

    def _with_savepoints(self, group: Sequence[WaitingUnit]) -> set[str]:
        try:
            self._require_present()
            with self.engine.begin() as connection:
                share_lock_wait(connection, len(group))
                tx = Tx(connection)
                for ticket in group:
                    if not ticket.is_withdrawn:
                        run_in_savepoint(tx, ticket)
                self._announce(tx)
        except Exception as error:  # noqa: BLE001 (the commit failed: every unit of the group gets the error)
            for ticket in group:
                ticket.error = translated(error)
            return set()
        return tx.topics

    def _retry_losers(self, losers: Sequence[WaitingUnit]) -> set[str]:
        """Retry units that lost a race, each in a transaction of its own.

        After one that waits for a lock in vain the next ones share such a wait: a silent process may hold it.
        """
        topics: set[str] = set()
        lock_share = 1
        for ticket in losers:
            topics |= self._retry_alone(ticket, lock_share=lock_share)
            if isinstance(ticket.error, Unavailable):
                lock_share = len(losers)
        return topics

    def _retry_alone(self, ticket: WaitingUnit, *, lock_share: int) -> set[str]:
        """Retry a unit that lost a race twice, without locks held by others of its group."""
        for tries in range(_TRIES_ALONE):
            # Random delay: with a fixed one two colliding processes would collide again.
            time.sleep(random.uniform(0, _PAUSE_SECONDS * (2**tries - 1)))  # noqa: S311 (not security-relevant)
            try:
                topics = self._try_plain([ticket], lock_share=lock_share)
            except Exception as error:  # noqa: BLE001 (delivered to the caller)
                ticket.error = translated(error.reason if isinstance(error, _StoppedError) else error)
                if not lost_a_race(error):
                    break
            else:
                ticket.error = None
                return topics
        return set()

    def _read_group(self, group: Sequence[WaitingUnit], kept: KeptConnection) -> None:
        try:
            self._require_present()
            with kept.use() as connection:
                tx = Tx(connection)
                for ticket in group:
                    run_read(tx, ticket, of=len(group))
                connection.rollback()
        except Exception as error:  # noqa: BLE001 (no connection: the error goes to every waiting unit)
            for ticket in group:
                ticket.error = ticket.error or translated(error)

    def _give_up(self, ticket: WaitingUnit, seconds: float) -> None:
        """End the wait of a ticket's caller; a unit that is running goes on, and its result is dropped."""
        if not ticket.answer.done():
            self.meter.count_store_error()
            ticket.is_withdrawn = True
            ticket.answer.set_exception(Unavailable(f"the database gave no answer within {seconds:g} s"))

    def _post_results(self, group: Sequence[WaitingUnit]) -> None:
        for ticket in group:
            if isinstance(ticket.error, Unavailable) and not ticket.is_withdrawn:
                self.meter.count_store_error()
        self._on_loop(answer_all, group)

    def _on_loop(self, call: Callable[..., None], argument: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(call, argument)
        except RuntimeError:  # the loop is closed: no caller waits any more
            return
