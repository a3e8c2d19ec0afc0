"""Row changes of one attempt to send: take the message, move its status, settle (see store/outbound/sending.py).

Every message runs these statements, so each is built once.
"""

from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, TextClause, Update, and_, bindparam, func, insert, select, update

from store.errors import NotPendingApproval
from store.ids import new_send_id
from store.outbound.lifecycle import sources
from store.records.outbound import Origin, OutboundStatus, Outcome, Outgoing
from store.schema.inbound import HELD, TO_SEND, messages
from store.schema.outbound import outbound, send_attempts
from store.transaction import Tx

MAX_ERROR: Final = 500
_BEGIN: Final = insert(send_attempts)
_TRIES: Final = (
    select(func.count())
    .select_from(send_attempts)
    .where(send_attempts.c.message_id == bindparam("message"), send_attempts.c.origin == bindparam("by"))
)


def _taking(condition: ColumnElement[bool] | TextClause) -> Update:
    taken = update(messages).where(messages.c.id == bindparam("message"), messages.c.direction == "outbound", condition)
    return taken.values(status="sending", send_attempt=bindparam("attempt"), send_until=bindparam("until"))


TAKE_HELD: Final = _taking(HELD)
TAKE_OVER: Final = _taking(and_(HELD, messages.c.hold_expires_at <= bindparam("before")))
TAKE_QUEUED: Final = _taking(TO_SEND)


def take(
    tx: Tx, message_id: str, way: Update, *, origin: Origin, until: datetime, now: datetime, **more: datetime
) -> str:
    """Make the message ``sending`` under a new attempt; the attempt's id. Raises NotPendingApproval when it was taken.

    *way* is TAKE_HELD, TAKE_OVER (with *before*, by when its hold must have expired), or TAKE_QUEUED.
    """
    attempt = new_send_id()
    if tx.execute(way, {"message": message_id, "attempt": attempt, "until": until, **more}).rowcount == 0:
        raise NotPendingApproval
    row = {"id": attempt, "message_id": message_id, "origin": origin, "outcome": "sending", "began_at": now}
    tx.execute(_BEGIN, row)
    return attempt


def move(
    tx: Tx, outgoing: Outgoing, to: OutboundStatus, *, among: frozenset[OutboundStatus] | None = None, **values: Any
) -> bool:
    """Move the message to status *to*, from one of *among*; False when it moved on or has a newer attempt."""
    allowed = sources(to) if among is None else sources(to) & among
    new = {"message": outgoing.message.id, "attempt": outgoing.attempt, **_named({"status": to, **values})}
    return bool(tx.execute(_moving(allowed, "status", *values), new).rowcount)


@cache
def _moving(allowed: frozenset[OutboundStatus], *names: str) -> Update:
    ours = and_(messages.c.id == bindparam("message"), messages.c.send_attempt == bindparam("attempt"))
    moved = update(messages).where(ours, messages.c.status.in_(sorted(allowed)))
    return moved.values(send_until=None, **_bound(*names))


def settle_attempt(tx: Tx, attempt_id: str, outcome: Outcome, *, now: datetime, **values: Any) -> None:
    """Set the outcome of the attempt; an error is cut to MAX_ERROR characters.

    An outcome ``sent`` that a provider event has set meanwhile stays.
    """
    values |= {"outcome": outcome, "settled_at": now}
    settling = _settled if outcome == "sent" else _settled_unless_sent
    tx.execute(settling(*values), {"attempt": attempt_id, **_named(values)})


@cache
def _settled(*names: str) -> Update:
    return update(send_attempts).where(send_attempts.c.id == bindparam("attempt")).values(_bound(*names))


@cache
def _settled_unless_sent(*names: str) -> Update:
    return _settled(*names).where(send_attempts.c.outcome != "sent")


def write_beside(tx: Tx, message_id: str, **values: Any) -> None:
    """Set columns of the message's row in ``outbound``; an error is cut to MAX_ERROR characters."""
    tx.execute(_writing(*values), {"message": message_id, **_named(values)})


@cache
def _writing(*names: str) -> Update:
    return update(outbound).where(outbound.c.message_id == bindparam("message")).values(_bound(*names))


def _bound(*names: str) -> dict[str, Any]:
    """Columns to set, each to a parameter with another name than the column."""
    return {name: bindparam(f"new_{name}") for name in names}


def _named(values: dict[str, Any]) -> dict[str, Any]:
    """The parameters of _bound, with the error cut."""
    if values.get("error"):
        values = {**values, "error": values["error"][:MAX_ERROR]}
    return {f"new_{name}": value for name, value in values.items()}


def count_tries(tx: Tx, message_id: str, origin: Origin) -> int:
    """The number of attempts of the message by *origin*."""
    return int(tx.execute(_TRIES, {"message": message_id, "by": origin}).scalar_one())
