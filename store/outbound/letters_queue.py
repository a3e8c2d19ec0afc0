"""Queue of the relay's letters to users (review requests, sign-in links).

Only the subject of a letter is stored; its text, and any link in it, is composed when it is sent. A claim moves
``due_at`` to the end of its lease: a letter begun by a process that dies is sent again. Letters are delivered at
least once; a duplicate is harmless. Before the hand-over the hashes of its sender address's nonce and of its link
are stored, so that a letter that comes back is found (store/outbound/returned_letters.py).
"""

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, func, insert, select, update

from store.directory.sending_pause import read_pause
from store.errors import UserNotFound
from store.ids import new_letter_id
from store.oldest import among_oldest
from store.records.people import Letter, LetterKind
from store.schema.inbound import users
from store.schema.outbound import WAITING, notifications
from store.transaction import Tx
from store.wake import LETTERS

SIGN_INS: Final = 5  # letters per user and hour
# Letters per user and hour: a person does not decide more, and a runaway agent must not flood its owner.
REVIEWS: Final = 100
MAX_ERROR: Final = 500
WITHHELD: Final = "the store was restored from a backup, after which this letter may have been sent"
_HOUR: Final = timedelta(hours=1)

_COLUMNS: Final = [notifications.c[field.name] for field in fields(Letter)]
_CLAIM: Final = (
    update(notifications)
    .where(among_oldest([notifications.c.id], notifications.c.due_at, "now", WAITING))
    .values(due_at=bindparam("until"), attempts=notifications.c.attempts + 1)
    .returning(*_COLUMNS)
)
_THIS: Final = update(notifications).where(notifications.c.id == bindparam("letter"))
_MARKED: Final = _THIS.values(nonce_hash=bindparam("nonce"), link_hash=bindparam("link"))
_SENT: Final = _THIS.values(status="sent", settled_at=bindparam("at"), error=bindparam("why"))
# Fenced by the number of the claim: a worker whose lease has ended must not overwrite a newer claim.
_CLAIMED: Final = _THIS.where(WAITING, notifications.c.attempts == bindparam("claim"))
_DEFERRED: Final = _CLAIMED.values(due_at=bindparam("at"), error=bindparam("why"))
_FAILED: Final = _CLAIMED.values(status="failed", settled_at=bindparam("at"), error=bindparam("why"))


def enqueue_review(tx: Tx, user_id: str, message_id: str, revision: int, *, now: datetime) -> None:
    """Enqueue a review letter about a held message at *revision*.

    It replaces unsent letters about older revisions; a second call for one revision has no effect. From the 101st
    letter to a user within an hour on, none is enqueued: the console lists all held messages.
    """
    about = notifications.c.message_id == message_id
    superseded = {"status": "failed", "settled_at": now, "error": "superseded: the draft was edited"}
    tx.execute(update(notifications).where(WAITING, about, notifications.c.revision < revision).values(superseded))
    waits = select(notifications.c.id).where(WAITING, about, notifications.c.revision >= revision)
    if tx.execute(waits.limit(1)).first() is None and _count_lately(tx, user_id, "review", now=now) < REVIEWS:
        _enqueue(tx, user_id, "review", now=now, message_id=message_id, revision=revision)


def enqueue_sign_in(tx: Tx, user_id: str, *, now: datetime) -> None:
    """Enqueue a sign-in letter; from the sixth within an hour on, none is enqueued.

    Raises UserNotFound.
    """
    # The lock serialises concurrent calls: else both would count the same letters.
    mine = select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True)
    if tx.execute(mine).first() is None:
        raise UserNotFound
    if _count_lately(tx, user_id, "sign_in", now=now) < SIGN_INS:
        _enqueue(tx, user_id, "sign_in", now=now)


def withhold_letters(tx: Tx, *, now: datetime) -> int:
    """Fail all pending letters, after a restore: the number of them.

    They may have been sent after the backup was made. What a review letter is about still waits for its decision.
    """
    withheld = {"status": "failed", "settled_at": now, "error": WITHHELD}
    return int(tx.execute(update(notifications).where(WAITING).values(withheld)).rowcount)


def count_withheld_letters(tx: Tx, *, since: datetime) -> int:
    """The number of letters that a restore after *since* has withheld."""
    withheld = notifications.c.error == WITHHELD, notifications.c.settled_at > since
    return int(tx.execute(select(func.count()).select_from(notifications).where(*withheld)).scalar_one())


def next_letter_due(tx: Tx) -> datetime | None:
    """When the next letter is due, possibly in the past; None when none is pending."""
    due: datetime | None = tx.execute(select(func.min(notifications.c.due_at)).where(WAITING)).scalar()
    return due


def claim_due_letters(tx: Tx, *, limit: int, lease: timedelta, now: datetime) -> list[Letter]:
    """Claim up to *limit* due letters for *lease*; none while sending is paused.

    Safe for concurrent callers. Returned oldest first.
    """
    if read_pause(tx) is not None:
        return []
    rows = tx.execute(_CLAIM, {"now": now, "most": limit, "until": now + lease}).all()
    return [Letter(**row._mapping) for row in sorted(rows, key=lambda row: row.created_at)]


def mark_handed_over(tx: Tx, letter: Letter, *, nonce_hash: str, link_hash: str) -> None:
    """Store the hashes (hex SHA-256) by which a returned letter is found, before it is handed over."""
    tx.execute(_MARKED, {"letter": letter.id, "nonce": nonce_hash, "link": link_hash})


def settle_letter_sent(tx: Tx, letter: Letter, *, note: str | None = None, now: datetime) -> None:
    """Record that a letter was sent. *note* says what is uncertain about it.

    Not fenced by the claim: it is true even if the lease ended meanwhile.
    """
    tx.execute(_SENT, {"letter": letter.id, "at": now, "why": _short(note)})


def settle_letter_deferred(tx: Tx, letter: Letter, error: str, *, due_at: datetime) -> None:
    """Record a failed attempt: the letter is due again at *due_at*.

    Does nothing when another worker has claimed it meanwhile.
    """
    tx.execute(_DEFERRED, {"letter": letter.id, "claim": letter.attempts, "at": due_at, "why": _short(error)})


def settle_letter_failed(tx: Tx, letter: Letter, error: str, *, now: datetime) -> None:
    """Record that a letter failed for good.

    Does nothing when another worker has claimed it meanwhile.
    """
    tx.execute(_FAILED, {"letter": letter.id, "claim": letter.attempts, "at": now, "why": _short(error)})


def _count_lately(tx: Tx, user_id: str, kind: LetterKind, *, now: datetime) -> int:
    lately = (notifications.c.user_id == user_id, notifications.c.created_at > now - _HOUR)
    count = select(func.count()).select_from(notifications).where(notifications.c.kind == kind, *lately)
    return int(tx.execute(count).scalar_one())


def _enqueue(tx: Tx, user_id: str, kind: LetterKind, *, now: datetime, **about: Any) -> None:
    values = {"id": new_letter_id(), "user_id": user_id, "kind": kind, "status": "pending"}
    tx.execute(insert(notifications), values | {"due_at": now, "created_at": now} | about)
    tx.wake(LETTERS)


def _short(text: str | None) -> str | None:
    return text and text[:MAX_ERROR]
