"""Operator's pause of all sending, effective for every process on the database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, insert, select

from store.errors import SendingPaused
from store.schema.outbound import switches
from store.transaction import Tx

MAX_REASON: Final = 500
_PAUSED: Final = "sending_paused"
_READ: Final = select(switches.c.at, switches.c.reason).where(switches.c.name == _PAUSED)


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause of all sending."""

    at: datetime
    reason: str


def pause_sending(tx: Tx, *, reason: str = "", now: datetime) -> Pause:
    """Pause all sending, from the next message on.

    An existing pause keeps its time and reason, and is returned.
    """
    paused = read_pause(tx)
    if paused is not None:
        return paused
    made = Pause(now, reason[:MAX_REASON])
    tx.execute(insert(switches), {"name": _PAUSED, "at": made.at, "reason": made.reason})
    return made


def resume_sending(tx: Tx) -> bool:
    """End the pause; whether there was one."""
    return bool(tx.execute(delete(switches).where(switches.c.name == _PAUSED)).rowcount)


def read_pause(tx: Tx) -> Pause | None:
    """The current pause with its time and reason; None when sending is on."""
    row = tx.execute(_READ).first()
    return None if row is None else Pause(row.at, row.reason)


def require_sending(tx: Tx) -> None:
    """Raise SendingPaused when sending is paused."""
    if read_pause(tx) is not None:
        raise SendingPaused
