"""Letters of the relay that came back: find one by its sender's nonce or by its link, and record the bounce."""

from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, func, select, update

from store.records.people import BouncedLetter
from store.schema.inbound import users
from store.schema.outbound import notifications
from store.transaction import Tx

MAX_BOUNCE: Final = 500  # characters kept of what a returned mail said
MAX_LISTED: Final = 200


def letter_of_nonce(tx: Tx, nonce_hash: str) -> str | None:
    """The id of the letter whose sender address has the nonce with this hash; None when there is none."""
    return _find(tx, notifications.c.nonce_hash == nonce_hash)


def letter_of_link(tx: Tx, link_hash: str) -> str | None:
    """The id of the newest letter with the link of this hash; None when there is none."""
    return _find(tx, notifications.c.link_hash == link_hash)


def link_of_letter(tx: Tx, letter_id: str) -> tuple[str, str] | None:
    """The hash of a letter's link, and the id of its user; None when the letter has not been handed over."""
    query = select(notifications.c.link_hash, notifications.c.user_id).where(notifications.c.id == letter_id)
    row = tx.execute(query).first()
    return None if row is None or row.link_hash is None else (row.link_hash, row.user_id)


def record_bounce(tx: Tx, letter_id: str, detail: str, *, now: datetime) -> bool:
    """Mark a letter as bounced, with the words of the returned mail; whether this is the first time."""
    first = update(notifications).where(notifications.c.id == letter_id, notifications.c.bounced_at.is_(None))
    return bool(tx.execute(first.values(bounced_at=now, bounce=detail[:MAX_BOUNCE])).rowcount)


def list_bounced_letters(
    tx: Tx, *, since: datetime, user_id: str | None = None, limit: int = MAX_LISTED
) -> list[BouncedLetter]:
    """Letters that bounced after *since*, newest first; of one user, or of all."""
    columns = [notifications.c[name] for name in ("id", "user_id", "kind", "message_id", "created_at", "bounced_at")]
    query = select(*columns, users.c.email, func.coalesce(notifications.c.bounce, "").label("bounce"))
    query = query.join_from(notifications, users).where(notifications.c.bounced_at > since)
    if user_id is not None:
        query = query.where(notifications.c.user_id == user_id)
    rows = tx.execute(query.order_by(notifications.c.bounced_at.desc(), notifications.c.id).limit(limit))
    return [BouncedLetter(**row._mapping) for row in rows]


def _find(tx: Tx, condition: ColumnElement[bool]) -> str | None:
    newest = select(notifications.c.id).where(condition).order_by(notifications.c.created_at.desc())
    found: str | None = tx.execute(newest.limit(1)).scalar()
    return found
