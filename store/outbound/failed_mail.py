"""Failed and unconfirmed messages of a user's agents, for their owner."""

from datetime import datetime
from typing import Final

from sqlalchemy import or_, select

from store.outbound.rows import summaries, summary_of
from store.records.outbound import OutboundSummary
from store.schema.inbound import WRITTEN, agents, messages
from store.transaction import Tx

SCAN_LIMIT: Final = 200  # newest outbound messages examined per agent
_STATUSES: Final = ("failed", "unconfirmed")


def list_failed_for_user(tx: Tx, user_id: str, *, limit: int, now: datetime) -> list[OutboundSummary]:
    """The newest failed or unconfirmed messages of a user's agents, newest first.

    Status has no index, as nearly all messages are sent: only the newest SCAN_LIMIT outbound messages of each agent
    are examined.
    """
    owned = tx.execute(select(agents.c.address).where(agents.c.user_id == user_id)).scalars().all()
    found = [message_id for agent in owned for message_id in _failed_of(tx, agent, now=now)]
    newest = sorted(found, reverse=True)[:limit]
    rows = tx.execute(summaries().where(messages.c.id.in_(newest))).all()
    return sorted((summary_of(row) for row in rows), key=lambda message: message.id, reverse=True)


def _failed_of(tx: Tx, agent: str, *, now: datetime) -> list[str]:
    columns = (messages.c.id, messages.c.status, messages.c.expires_at)
    written = select(*columns).where(messages.c.agent == agent, WRITTEN).order_by(messages.c.received_at.desc())
    newest = written.limit(SCAN_LIMIT).subquery()
    failed = or_(*(newest.c.status == status for status in _STATUSES))
    return list(tx.execute(select(newest.c.id).where(failed, newest.c.expires_at > now)).scalars())
