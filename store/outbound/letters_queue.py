"""Letters of the relay's own to people, waiting for their turn: what is to be told, and never a word of it.

A letter is composed when it is sent, so no link lies here. A claim moves ``due_at`` to the end of its lease: what
a process that dies has begun is sent again, at least once and never lost. Two letters about one thing are a
nuisance, and no more.
"""

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, func, insert, select, update

from store.directory.sending_pause import read_pause
from store.errors import UserNotFound
from store.ids import new_letter_id
from store.records.people import Letter, LetterKind
from store.schema.inbound import users
from store.schema.outbound import WAITING, notifications
from store.transaction import Tx
from store.wake import LETTERS

SIGN_INS: Final = 5  # letters to one user in an hour
# The same. A person does not decide more, and a runaway agent's letters are mail that goes out too.
REVIEWS: Final = 100
MAX_ERROR: Final = 500
_HOUR: Final = timedelta(hours=1)

_COLUMNS: Final = [notifications.c[field.name] for field in fields(Letter)]
_DUE: Final = (
    select(notifications.c.id)
    .where(WAITING, notifications.c.due_at <= bindparam("now"))
    .order_by(notifications.c.due_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_CLAIM: Final = (
    update(notifications)
    .where(notifications.c.id.in_(select(_DUE.c.id)))
    .values(due_at=bindparam("until"), attempts=notifications.c.attempts + 1)
    .returning(*_COLUMNS)
)
_THIS: Final = update(notifications).where(notifications.c.id == bindparam("letter"))
_SENT: Final = _THIS.values(status="sent", settled_at=bindparam("at"), error=bindparam("why"))
# Only of whoever has the last claim: a worker that comes back late knows nothing of what happens now.
_OURS: Final = _THIS.where(WAITING, notifications.c.attempts == bindparam("claim"))
_PUT_OFF: Final = _OURS.values(due_at=bindparam("at"), error=bindparam("why"))
_FAILED: Final = _OURS.values(status="failed", settled_at=bindparam("at"), error=bindparam("why"))


def enqueue_review(tx: Tx, user_id: str, message_id: str, revision: int, *, now: datetime) -> None:
    """Have this user told of a mail that waits for them, as it is at *revision*.

    It takes the place of letters about older revisions that have not gone yet; asked for twice it goes once. The
    101st in an hour is silently none: what waits stands in the console.
    """
    about = notifications.c.message_id == message_id
    overtaken = {"status": "failed", "settled_at": now, "error": "overtaken: the draft was changed"}
    tx.execute(update(notifications).where(WAITING, about, notifications.c.revision < revision).values(overtaken))
    waits = select(notifications.c.id).where(WAITING, about, notifications.c.revision >= revision)
    if tx.execute(waits.limit(1)).first() is None and _count_lately(tx, user_id, "review", now=now) < REVIEWS:
        _enqueue(tx, user_id, "review", now=now, message_id=message_id, revision=revision)


def enqueue_sign_in(tx: Tx, user_id: str, *, now: datetime) -> None:
    """Have this user sent a link to sign in by; the sixth in an hour is silently none. Raises UserNotFound."""
    # Locked, or two who ask at once would both count the same letters.
    mine = select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True)
    if tx.execute(mine).first() is None:
        raise UserNotFound
    if _count_lately(tx, user_id, "sign_in", now=now) < SIGN_INS:
        _enqueue(tx, user_id, "sign_in", now=now)


def next_letter_due(tx: Tx) -> datetime | None:
    """When the next letter is due, or was; None when none waits."""
    due: datetime | None = tx.execute(select(func.min(notifications.c.due_at)).where(WAITING)).scalar()
    return due


def claim_due_letters(tx: Tx, *, limit: int, lease: timedelta, now: datetime) -> list[Letter]:
    """Up to *limit* due letters, oldest due first, taken until *lease* from now; none while sending is paused.

    Several may claim at once.
    """
    if read_pause(tx) is not None:
        return []
    rows = tx.execute(_CLAIM, {"now": now, "most": limit, "until": now + lease}).all()
    return [Letter(**row._mapping) for row in sorted(rows, key=lambda row: row.created_at)]


def settle_letter_sent(tx: Tx, letter: Letter, *, note: str | None = None, now: datetime) -> None:
    """It has gone: true even if the lease was over meanwhile. *note* tells what is not sure about that."""
    tx.execute(_SENT, {"letter": letter.id, "at": now, "why": _short(note)})


def settle_letter_deferred(tx: Tx, letter: Letter, error: str, *, due_at: datetime) -> None:
    """It has not gone, and is tried again at *due_at*; unless another worker has it by now."""
    tx.execute(_PUT_OFF, {"letter": letter.id, "claim": letter.attempts, "at": due_at, "why": _short(error)})


def settle_letter_failed(tx: Tx, letter: Letter, error: str, *, now: datetime) -> None:
    """It has not gone and will not; unless another worker has it by now."""
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
