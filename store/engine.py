"""The way to the database: one writer that groups commits, and readers beside it.

A *unit* is a synchronous function ``unit(tx) -> value`` made of the queries in this package.
``await store.write(unit)`` runs it with all the others waiting at that moment in one transaction,
so that one fsync serves them all; ``await store.read(unit)`` runs it beside the writer.

Units are written to be run twice. A group is first tried plain; only when one of it fails is the
group rolled back and run again with a savepoint each, so that a failure hurts its own unit alone. What
meets another process's locks even then has its turn alone.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from store.database.error_translation import lost_a_race, translated
from store.errors import Unavailable
from store.transaction import Tx, Unit
from store.wake import Notifier

T = TypeVar("T")

BEGIN_OPTION: Final = "mailseal_begin"  # how a SQLite transaction is opened; None opens none
MAX_GROUP: Final = 64  # units in one transaction; more would only make the first wait for the last
_TRIES_ALONE: Final = 8  # of a unit that met a deadlock plain and in its savepoint
_PAUSE_SECONDS: Final = 0.005  # before the second of them at most; twice as long before each further one


class _StoppedError(Exception):
    """The database has failed for a whole group."""

    def __init__(self, reason: SQLAlchemyError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _NotBegunError(_StoppedError):
    """The database does not even open a transaction: it is gone, or locked for too long."""


class _NotCommittedError(_StoppedError):
    """The database did not say that it has committed: it may have, so nothing is run again."""


@dataclass(slots=True)
class _Ticket:
    """A unit in line, and where its answer is awaited."""

    unit: Unit[Any]
    answer: "asyncio.Future[Any]"
    value: Any = None
    error: BaseException | None = None
    has_lost_a_race: bool = False


class Store:
    """A database that can be asked from an event loop, or straight from a program without one."""

    def __init__(self, engine: Engine, *, readers: int = 2, announce: Callable[[Tx], None] | None = None) -> None:
        self.engine = engine
        self.notifier = Notifier()
        self._announce = announce or (lambda _tx: None)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = False
        self._is_sqlite = engine.dialect.name == "sqlite"
        # What makes a reader's transaction one snapshot.
        self._for_reading = {BEGIN_OPTION: "BEGIN"} if self._is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self._glance: Connection | None = None
        self._writing: SimpleQueue[_Ticket | None] = SimpleQueue()
        self._reading: SimpleQueue[_Ticket | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._write_on, name="store-writer", daemon=True)]
        self._threads += [
            threading.Thread(target=self._read_on, name=f"store-reader-{n}", daemon=True) for n in range(readers)
        ]

    def start(self) -> None:
        """Begin to take units from the running loop."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    async def stop(self) -> None:
        """Finish what is in line, then close every connection. Whoever comes later gets Unavailable."""
        self._stopped = True
        self._writing.put(None)
        for _ in self._threads[1:]:
            self._reading.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._close_glance()
        self.engine.dispose()

    async def write(self, unit: Unit[T]) -> T:
        """Run *unit* in a shared transaction; when this returns, it is on disk.

        Raises what the unit raised (a StoreError or an error of its caller), or Unavailable when the
        database failed; then nothing of it is kept.
        """
        return await self._ask(self._writing, unit)

    async def read(self, unit: Unit[T]) -> T:
        """Run *unit* on one snapshot, beside the writer. Raises like write."""
        return await self._ask(self._reading, unit)

    async def read_on_loop(self, unit: Unit[T]) -> T:
        """Run *unit*, one look-up by key, in the shortest way there is. Raises like write.

        On SQLite that is right here: a reader never waits for a writer, and handing so little over
        to another thread costs more than doing it. Whatever goes wrong here is tried again there.
        """
        if self._is_sqlite and not self._stopped:
            try:
                return unit(Tx(self._glancing()))
            except (SQLAlchemyError, UnicodeError):
                self._close_glance()
        return await self.read(unit)

    def run(self, unit: Unit[T]) -> T:
        """Run *unit* in a transaction of its own on this thread: for programs without a loop."""
        ticket = _Ticket(unit, None)  # type: ignore[arg-type]
        self._commit_group([ticket])
        if ticket.error is not None:
            raise ticket.error
        value: T = ticket.value
        return value

    @contextmanager
    def snapshot(self) -> Iterator[Tx]:
        """A transaction that sees one state of the database, as of its first question, for as long as it is open.

        On a connection of its own, from any thread, for what is too long for ``read``; it is for reading
        alone. While it is open a SQLite log only grows, so its holder should not wait for anybody slow.
        Raises like write, of what the database does; other errors of the block pass as they are.
        """
        try:
            with self.engine.connect() as connection:
                yield Tx(connection.execution_options(**self._for_reading, postgresql_readonly=True))
        except (SQLAlchemyError, UnicodeError) as error:
            raise translated(error) from error

    def _glancing(self) -> Connection:
        if self._glance is None:
            connection = self.engine.connect().execution_options(**{BEGIN_OPTION: None})
            connection.detach()  # never the pool's again: it must not wait for a lock, others may
            connection.exec_driver_sql("PRAGMA busy_timeout=0")
            self._glance = connection
        return self._glance

    def _close_glance(self) -> None:
        if self._glance is not None:
            connection, self._glance = self._glance, None
            with suppress(SQLAlchemyError):
                connection.close()

    async def _ask(self, line: "SimpleQueue[_Ticket | None]", unit: Unit[T]) -> T:
        assert self._loop is not None, "start() first"
        if self._stopped:
            raise Unavailable("the store is closed")
        answer: asyncio.Future[T] = self._loop.create_future()
        line.put(_Ticket(unit, answer))
        # A caller that goes away does not take its unit back: it is run all the same, and nobody is told.
        return await answer

    def _write_on(self) -> None:
        while (group := _next_group(self._writing)) is not None:
            self._commit_group(group)
            self._tell(group)

    def _read_on(self) -> None:
        while (group := _next_group(self._reading)) is not None:
            self._read_group(group)
            self._tell(group)

    def _commit_group(self, group: Sequence[_Ticket]) -> None:
        try:
            topics = self._try_plain(group)
        except _StoppedError as error:
            for ticket in group:  # to try each apart would only make everybody wait, or what is done be done twice
                ticket.error = translated(error.reason)
            return
        except Exception as error:  # noqa: BLE001 (whatever it was, it has a ticket to go to)
            if len(group) == 1 and not lost_a_race(error):
                group[0].error = translated(error)
                return
            topics = self._with_savepoints(group)
            for ticket in group:
                if ticket.has_lost_a_race:
                    topics |= self._alone(ticket)
        if topics and self._loop is not None:
            self._on_loop(self.notifier.notify, topics)

    def _try_plain(self, group: Sequence[_Ticket]) -> set[str]:
        with self._begun() as connection:
            tx = Tx(connection)
            for ticket in group:
                ticket.value = ticket.unit(tx)
            tx.flush()
            self._announce(tx)
        return tx.topics

    @contextmanager
    def _begun(self) -> Iterator[Connection]:
        """A connection in a transaction that is committed at the end. Raises _NotBegunError, _NotCommittedError."""
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(self.engine.connect())
                transaction = connection.begin()
            except SQLAlchemyError as error:
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

    def _with_savepoints(self, group: Sequence[_Ticket]) -> set[str]:
        try:
            with self.engine.begin() as connection:
                tx = Tx(connection)
                for ticket in group:
                    _run_apart(tx, ticket)
                self._announce(tx)
        except Exception as error:  # noqa: BLE001 (the commit failed: everybody has to know)
            for ticket in group:
                ticket.error = translated(error)
            return set()
        return tx.topics

    def _alone(self, ticket: _Ticket) -> set[str]:
        """Try a unit again that lost a race twice, holding nothing that others of its group had locked."""
        for tries in range(_TRIES_ALONE):
            # By chance, or two that met would meet again.
            time.sleep(random.uniform(0, _PAUSE_SECONDS * (2**tries - 1)))  # noqa: S311 (keeps no secret)
            try:
                topics = self._try_plain([ticket])
            except Exception as error:  # noqa: BLE001 (goes to whoever asked)
                ticket.error = translated(error.reason if isinstance(error, _StoppedError) else error)
                if not lost_a_race(error):
                    break
            else:
                ticket.error = None
                return topics
        return set()

    def _read_group(self, group: Sequence[_Ticket]) -> None:
        try:
            with self.engine.connect() as connection:
                tx = Tx(connection.execution_options(**self._for_reading))
                for ticket in group:
                    _run_reading(tx, ticket)
        except Exception as error:  # noqa: BLE001 (no connection: nobody was answered)
            for ticket in group:
                ticket.error = ticket.error or translated(error)

    def _tell(self, group: Sequence[_Ticket]) -> None:
        self._on_loop(_answer, group)

    def _on_loop(self, call: Callable[..., None], argument: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(call, argument)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return


def _next_group(line: "SimpleQueue[_Ticket | None]") -> list[_Ticket] | None:
    first = line.get()
    if first is None:
        return None
    group = [first]
    while len(group) < MAX_GROUP:
        try:
            ticket = line.get_nowait()
        except Empty:
            break
        if ticket is None:
            line.put(None)
            break
        group.append(ticket)
    return group


def _run_apart(tx: Tx, ticket: _Ticket) -> None:
    """Run one unit in a savepoint: its failure, and what it wanted to wake, stay its own.

    Raises when the savepoint cannot be left: then the database has undone the whole transaction, as
    SQLite does on a full disk, and what the units before have done is gone too.
    """
    apart = Tx(tx.connection)
    savepoint = tx.connection.begin_nested()
    try:
        ticket.value = ticket.unit(apart)
        apart.flush()
    except Exception as error:  # noqa: BLE001 (goes to whoever asked)
        savepoint.rollback()
        ticket.error = translated(error)
        ticket.has_lost_a_race = lost_a_race(error)
    else:
        savepoint.commit()
        tx.topics |= apart.topics


def _run_reading(tx: Tx, ticket: _Ticket) -> None:
    try:
        ticket.value = ticket.unit(tx)
    except Exception as error:  # noqa: BLE001 (goes to whoever asked)
        ticket.error = translated(error)
        tx.connection.rollback()


def _answer(group: Sequence[_Ticket]) -> None:
    for ticket in group:
        if ticket.answer.cancelled():
            continue
        if ticket.error is not None:
            ticket.answer.set_exception(ticket.error)
        else:
            ticket.answer.set_result(ticket.value)
