"""What agents wrote, for the operator's eye: newest first, whatever became of it."""

from sqlalchemy import select

from store.outbound.rows import summaries, summary_of
from store.records.outbound import OutboundSummary
from store.schema.inbound import WRITTEN, messages
from store.transaction import Tx


def list_newest_outbound(tx: Tx, agent: str | None, *, limit: int) -> list[OutboundSummary]:
    """The newest outbound messages of an agent, or of everybody."""
    newest = select(messages.c.id).where(WRITTEN).order_by(messages.c.id.desc())  # ids begin with the time
    if agent is not None:
        newest = select(messages.c.id).where(messages.c.agent == agent, WRITTEN)
        newest = newest.order_by(messages.c.received_at.desc())
    ids = newest.limit(limit).subquery()
    rows = tx.execute(summaries().join(ids, ids.c.id == messages.c.id).order_by(messages.c.id.desc()))
    return [summary_of(row) for row in rows]
