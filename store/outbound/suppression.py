"""Suppression list: addresses a user's agents no longer send to."""

from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Final, get_args

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from store.errors import InvalidValue, SuppressionNotFound
from store.names import is_text, normalise_address, normalise_or_none
from store.records.feedback import Suppression, SuppressionReason
from store.records.mail import Page
from store.schema.outbound import suppressions
from store.transaction import Tx

MAX_PAGE: Final = 200
MAX_DETAIL: Final = 500

_COLUMNS: Final = [suppressions.c[field.name] for field in fields(Suppression)]
_LISTED: Final = select(*_COLUMNS).where(
    suppressions.c.user_id == bindparam("user"), suppressions.c.address.in_(bindparam("addresses", expanding=True))
)
_INSERT: Final[dict[str, Any]] = {
    "sqlite": sqlite.insert(suppressions).on_conflict_do_nothing().returning(suppressions.c.address),
    "postgresql": postgresql.insert(suppressions).on_conflict_do_nothing().returning(suppressions.c.address),
}


def keep_suppression(
    tx: Tx,
    user_id: str,
    address: str,
    *,
    reason: SuppressionReason,
    detail: str = "",
    message_id: str | None = None,
    now: datetime,
) -> bool:
    """Add *address* to this user's suppression list; whether it was new.

    An existing entry keeps its first reason. Raises InvalidValue.
    """
    entry = Suppression(address=address, reason=reason, detail=detail, message_id=message_id, created_at=now)
    return import_suppression(tx, user_id, entry)


def import_suppression(tx: Tx, user_id: str, entry: Suppression) -> bool:
    """Store an entry as it was made, here or at another relay; whether it was new.

    Raises InvalidValue.
    """
    if entry.reason not in get_args(SuppressionReason) or not is_text(entry.detail, most=MAX_DETAIL):
        raise InvalidValue(f"not a suppression: reason {entry.reason}, detail {entry.detail[:MAX_DETAIL]!r}")
    row = asdict(entry) | {"user_id": user_id, "address": _normalised(entry.address)}
    return tx.execute(_INSERT[tx.connection.dialect.name], row).first() is not None


def list_suppressions(tx: Tx, user_id: str, *, limit: int = 50, cursor: str | None = None) -> Page[Suppression]:
    """A page of this user's suppression list, ordered by address, behind *cursor*.

    Raises InvalidValue: malformed cursor.
    """
    query = select(*_COLUMNS).where(suppressions.c.user_id == user_id).order_by(suppressions.c.address)
    if cursor is not None:
        query = query.where(suppressions.c.address > _normalised(cursor))
    count = max(1, min(limit, MAX_PAGE))
    rows = tx.execute(query.limit(count + 1)).all()
    items = [Suppression(**row._mapping) for row in rows[:count]]
    return Page(items, items[-1].address if len(rows) > count else None)


def lift_suppression(tx: Tx, user_id: str, address: str) -> None:
    """Remove *address* from this user's suppression list.

    Raises SuppressionNotFound, also for what is not an address.
    """
    normal = normalise_or_none(address)
    mine = delete(suppressions).where(suppressions.c.user_id == user_id, suppressions.c.address == normal)
    if normal is None or tx.execute(mine).rowcount == 0:
        raise SuppressionNotFound


def find_suppressed(tx: Tx, user_id: str, addresses: Iterable[str]) -> dict[str, Suppression]:
    """Those of *addresses*, as given, that are on this user's suppression list."""
    asked = {address: normalise_or_none(address) for address in addresses}
    wanted = sorted({normal for normal in asked.values() if normal is not None})
    rows = tx.execute(_LISTED, {"user": user_id, "addresses": wanted})
    found = {row.address: Suppression(**row._mapping) for row in rows}
    return {address: found[normal] for address, normal in asked.items() if normal in found}


def _normalised(address: str) -> str:
    try:
        return normalise_address(address)
    except ValueError as error:
        raise InvalidValue(str(error)) from error
