"""What the operator switches by hand, for every process on the database at once."""

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
    """All sending is stopped."""

    at: datetime
    reason: str


def pause_sending(tx: Tx, *, reason: str = "", now: datetime) -> Pause:
    """Stop all sending, from the next mail on; one that was stopped already keeps its time and reason."""
    paused = read_pause(tx)
    if paused is not None:
        return paused
    made = Pause(now, reason[:MAX_REASON])
    tx.execute(insert(switches), {"name": _PAUSED, "at": made.at, "reason": made.reason})
    return made


def resume_sending(tx: Tx) -> bool:
    """Let mail go out again; whether it was stopped."""
    return bool(tx.execute(delete(switches).where(switches.c.name == _PAUSED)).rowcount)


def read_pause(tx: Tx) -> Pause | None:
    """Since when and why nothing is sent; None while it is."""
    row = tx.execute(_READ).first()
    return None if row is None else Pause(row.at, row.reason)


def require_sending(tx: Tx) -> None:
    """Return while mail is sent. Raises SendingPaused."""
    if read_pause(tx) is not None:
        raise SendingPaused
