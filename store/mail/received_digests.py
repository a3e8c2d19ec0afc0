"""Know a received mail again that its sender sends once more, because it did not read the first 250 (RFC 1047).

A digest stands for one mail to one recipient. It is written in the transaction that stores the message, so of two
copies that arrive at once, also at two daemons, one is stored: the other's insert loses the race and runs again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from sqlalchemy import bindparam, delete, insert, select

from store.database.constant import Constant
from store.oldest import among_oldest
from store.schema.digests import received_digests
from store.transaction import Tx

_MOST_AT_ONCE: Final = 500  # digests in one statement
_INSERT: Final = Constant(insert(received_digests))
_FIND: Final = select(received_digests.c.digest, received_digests.c.message_id, received_digests.c.received_at).where(
    received_digests.c.digest.in_(bindparam("digests", expanding=True))
)
_FORGET_EXPIRED: Final = delete(received_digests).where(
    received_digests.c.digest == bindparam("gone"), received_digests.c.received_at <= bindparam("before")
)
_FORGET_OLD: Final = (
    delete(received_digests)
    .where(among_oldest([received_digests.c.digest], received_digests.c.received_at, "before"))
    .returning(received_digests.c.digest)
)


def mail_digest(mail_from: str, recipient: str, content_sha256: bytes, *, verified: bool) -> str:
    """The digest of one mail to one *recipient*; *content_sha256* is of the bytes as the sender sent them.

    A verified mail has another digest than an unverified one: a stranger who sends a copy first must not keep the true
    one from being stored.
    """
    parts = (mail_from.encode(), recipient.encode(), b"verified" if verified else b"")
    head = b"".join(len(part).to_bytes(4) + part for part in parts)
    return sha256(head + content_sha256).hexdigest()


def find_received(tx: Tx, digests: Sequence[str], *, since: datetime) -> Mapping[str, str]:
    """The message ids of those *digests* that were received after *since*."""
    found: dict[str, str] = {}
    for digest in digests:
        if (new := tx.notes.get((_FIND, digest))) is not None:
            found[digest] = new
    for at in range(0, len(digests), _MOST_AT_ONCE):
        rows = tx.execute_before_deferred(_FIND, {"digests": list(digests[at : at + _MOST_AT_ONCE])})
        for row in rows:
            if row.received_at > since:
                found[row.digest] = row.message_id
            else:
                tx.execute(_FORGET_EXPIRED, {"gone": row.digest, "before": since})
    return found


def keep_digest(tx: Tx, digest: str, message_id: str, *, now: datetime) -> None:
    """Remember that *digest* was stored as the message *message_id*, in the transaction that stores it."""
    tx.defer(_INSERT, {"digest": digest, "message_id": message_id, "received_at": now})
    tx.notes[(_FIND, digest)] = message_id


def delete_old_digests(tx: Tx, *, now: datetime, limit: int, known_for: timedelta = timedelta(hours=24)) -> int:
    """Delete up to *limit* digests older than *known_for*; returns the count."""
    return len(tx.execute(_FORGET_OLD, {"before": now - known_for, "most": limit}).all())
