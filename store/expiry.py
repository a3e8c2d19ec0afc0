"""How long messages are kept, and which of an agent's still have time: the others wait only to be cleaned up.

However many have piled up, a list does not read through them: it begins behind the last that was over SLACK ago. A
mail gets its time a little before it gets its place (DNS may lie between them), so whatever has a lower place is over
too. That one is looked for by the time of receipt: an index on the end would also offer all that is still to come,
and SQLite, which keeps no statistics, would take it for every list.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, func, select

from store.schema.inbound import messages

KEPT_FOR: Final = timedelta(days=30)
SLACK: Final = timedelta(minutes=15)
_before: Final = messages.alias("before")


def unexpired(agent: str, *, behind: int = 0, now: datetime) -> ColumnElement[bool]:
    """A condition: a message of *agent*, with a place behind *behind*, whose time is not over."""
    over: Any = select(case((_before.c.seq > behind, _before.c.seq)))
    over = over.where(_before.c.agent == agent, _before.c.received_at <= now - KEPT_FOR - SLACK)
    last_over = over.order_by(_before.c.received_at.desc(), _before.c.seq.desc()).limit(1).scalar_subquery()
    # One bound, not two: SQLite begins at one of several and does not choose the higher.
    begun = messages.c.seq > func.coalesce(last_over, behind)
    return and_(messages.c.agent == agent, begun, messages.c.expires_at > now)
