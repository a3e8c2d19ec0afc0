"""The units that wait for the store's threads: how they are taken as groups, run, and answered."""

from asyncio import Future
from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final

from store.database.error_translation import lost_a_race, translated, waited_for_a_lock
from store.database.pg_limits import share_lock_wait
from store.errors import Unavailable
from store.transaction import Tx, Unit

MAX_GROUP: Final = 64  # units in one transaction; with more, the first would wait longer for the last


@dataclass(slots=True)
class WaitingUnit:
    """A queued unit and the future that receives its result."""

    unit: Unit[Any]
    answer: Future[Any]
    value: Any = None
    error: BaseException | None = None
    has_lost_a_race: bool = False
    is_withdrawn: bool = False  # its caller waits no more: it does not run


def next_group(line: "SimpleQueue[WaitingUnit | None]") -> list[WaitingUnit] | None:
    """Wait for the next unit of *line*, and take those behind it; None at the end of the line."""
    while (first := line.get()) is not None and first.is_withdrawn:
        pass
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
        if not ticket.is_withdrawn:
            group.append(ticket)
    return group


def run_in_savepoint(tx: Tx, ticket: WaitingUnit) -> None:
    """Run one unit in a savepoint: its failure and its wake-ups affect no other unit.

    Raises when the savepoint cannot be rolled back: then the database has undone the whole transaction, as
    SQLite does on a full disk, and the work of the units before it is gone too.
    """
    apart = Tx(tx.connection)
    savepoint = tx.connection.begin_nested()
    try:
        ticket.value = ticket.unit(apart)
        apart.flush()
    except Exception as error:  # noqa: BLE001 (delivered to the caller)
        savepoint.rollback()
        ticket.error = translated(error)
        # The holder of the lock may wait for one of this group; a transaction of this unit alone lets both go on.
        ticket.has_lost_a_race = lost_a_race(error) or waited_for_a_lock(error)
    else:
        savepoint.commit()
        tx.topics |= apart.topics


def run_read(tx: Tx, ticket: WaitingUnit, *, of: int) -> None:
    """Run one unit of a group *of* several; after an error the next ones run in another transaction."""
    try:
        ticket.value = ticket.unit(tx)
    except Exception as error:  # noqa: BLE001 (delivered to the caller)
        ticket.error = translated(error)
        tx.connection.rollback()
        if isinstance(ticket.error, Unavailable):  # perhaps a lock, for which the next ones would wait as long
            share_lock_wait(tx.connection, of)


def answer_all(group: Sequence[WaitingUnit]) -> None:
    """Give each caller the value or the error of its unit. Runs on the loop."""
    for ticket in group:
        if ticket.answer.done():  # cancelled, or its caller has given up
            continue
        if ticket.error is not None:
            ticket.answer.set_exception(ticket.error)
        else:
            ticket.answer.set_result(ticket.value)
