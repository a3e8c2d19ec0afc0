"""Provider feedback on sent messages, each event stored once."""

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, select
from sqlalchemy.dialects import postgresql, sqlite

from store.errors import InvalidValue
from store.names import is_text
from store.records.feedback import Feedback
from store.schema.inbound import messages
from store.schema.outbound import feedback, send_attempts
from store.transaction import Tx

MAX_RECIPIENT: Final = 320
MAX_DETAIL: Final = 500
MAX_EVENT_ID: Final = 200

_COLUMNS: Final = [feedback.c[field.name] for field in fields(Feedback)]
_INSERT: Final[dict[str, Any]] = {
    "sqlite": sqlite.insert(feedback).on_conflict_do_nothing().returning(feedback.c.number),
    "postgresql": postgresql.insert(feedback).on_conflict_do_nothing().returning(feedback.c.number),
}


def record_feedback(tx: Tx, message_id: str, event: Feedback) -> bool:
    """Store one provider event about an existing message; whether it was new.

    Raises InvalidValue: a field is too long or not printable.
    """
    if not (is_text(event.event_id, most=MAX_EVENT_ID) and is_text(event.recipient, most=MAX_RECIPIENT)):
        raise InvalidValue(f"event_id: at most {MAX_EVENT_ID} printable characters; recipient: at most {MAX_RECIPIENT}")
    if not is_text(event.detail, most=MAX_DETAIL):
        raise InvalidValue(f"detail: at most {MAX_DETAIL} printable characters")
    row = {"message_id": message_id, **asdict(event)}
    return tx.execute(_INSERT[tx.connection.dialect.name], row).first() is not None


def list_feedback(tx: Tx, message_id: str) -> list[Feedback]:
    """All feedback on a message, in order of arrival."""
    query = select(*_COLUMNS).where(feedback.c.message_id == message_id).order_by(feedback.c.number)
    return [Feedback(**row._mapping) for row in tx.execute(query)]


def find_message_of_attempt(tx: Tx, attempt_id: str) -> str | None:
    """The message id of a send attempt; None for an unknown attempt."""
    found: str | None = tx.execute(select(send_attempts.c.message_id).where(send_attempts.c.id == attempt_id)).scalar()
    return found


@dataclass(frozen=True, slots=True)
class FoundAttempt:
    """A send attempt and its message."""

    id: str
    message_id: str


def find_attempt_since(tx: Tx, agent: str, moment: str, *, since: datetime) -> FoundAttempt | None:
    """The send attempt of *agent* whose id has the time part *moment*, if it began after *since*.

    None also where two processes made ids of the same nanosecond for this agent. Reads one range of the primary key.
    """
    query = select(send_attempts.c.id, send_attempts.c.message_id).join_from(send_attempts, messages)
    ids = send_attempts.c.id.between(f"snd_{moment}", f"snd_{moment}~")
    mine = and_(ids, messages.c.agent == agent, send_attempts.c.began_at > since)
    rows = tx.execute(query.where(mine).limit(2)).all()
    return FoundAttempt(rows[0].id, rows[0].message_id) if len(rows) == 1 else None
