"""Message retention: how long messages are kept, and a filter for unexpired ones.

Expired messages are hidden at once and deleted later. A list does not read through the expired rows, however many
there are: it starts behind the last message received more than SLACK before the limit. A message gets its time of
receipt shortly before its sequence number (DNS look-ups may lie between), so every message with a lower number has
expired too. That message is found by time of receipt: an index on the expiry time would also cover all unexpired
rows, and SQLite, which keeps no statistics here, would choose it for every list.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, case, func, select

from store.schema.inbound import messages

KEPT_FOR: Final = timedelta(days=30)
SLACK: Final = timedelta(minutes=15)
_before: Final = messages.alias("before")


def unexpired(agent: str, *, behind: int = 0, now: datetime) -> ColumnElement[bool]:
    """Condition: unexpired messages of *agent* with a sequence number above *behind*."""
    return _unexpired(agent, behind, now, now - KEPT_FOR - SLACK)


def unexpired_named() -> ColumnElement[bool]:
    """The same condition for a constant statement, with the parameters of ``unexpired_values``."""
    behind = bindparam("behind", type_=BigInteger)
    return _unexpired(bindparam("agent"), behind, bindparam("now"), bindparam("long_before"))


def unexpired_values(agent: str, *, behind: int = 0, now: datetime) -> dict[str, Any]:
    """The parameters of ``unexpired_named``."""
    return {"agent": agent, "behind": behind, "now": now, "long_before": now - KEPT_FOR - SLACK}


def _unexpired(agent: Any, behind: Any, now: Any, long_before: Any) -> ColumnElement[bool]:
    over: Any = select(case((_before.c.seq > behind, _before.c.seq)))
    over = over.where(_before.c.agent == agent, _before.c.received_at <= long_before)
    last_over = over.order_by(_before.c.received_at.desc(), _before.c.seq.desc()).limit(1).scalar_subquery()
    # One lower bound, not two: SQLite starts at one of several and does not choose the higher.
    begun = messages.c.seq > func.coalesce(last_over, behind)
    return and_(messages.c.agent == agent, begun, messages.c.expires_at > now)
