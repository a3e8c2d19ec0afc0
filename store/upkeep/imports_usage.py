"""Import usage events, which have no id: stored ones are recognised by order.

Both lists are in order of counting, and an interrupted import has stored a prefix of its list. So both are
walked side by side, once: the first event that is not found behind the last match is new, and so are all after
it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from store.mail.usage import record_usage
from store.records.imports import ImportedUsage
from store.records.people import UsageEvent
from store.schema.inbound import usage_events
from store.transaction import Tx

_PAGE: Final = 500
_KEPT: Final = select(
    usage_events.c.number,
    usage_events.c.kind,
    usage_events.c.agent,
    usage_events.c.message_id,
    usage_events.c.bytes,
    usage_events.c.at,
).order_by(usage_events.c.number)


def import_usage(tx: Tx, user_id: str, imported: Sequence[UsageEvent], *, after: int | None) -> ImportedUsage:
    """Count those events that are not counted yet, with their days' sums.

    *after* is 0 for the beginning of the list, then the value returned by the previous call. Raises InvalidValue.
    """
    known = 0
    if after is not None:
        known, after = _passed(tx, user_id, imported, after)
    for event in imported[known:]:
        record_usage(
            tx,
            user_id=user_id,
            kind=event.kind,
            agent=event.agent,
            message_id=event.message_id,
            size=event.bytes,
            at=event.at,
        )
    return ImportedUsage(kept=len(imported) - known, after=after)


def _passed(tx: Tx, user_id: str, imported: Sequence[UsageEvent], after: int) -> tuple[int, int | None]:
    """How many events are stored already, and the number behind which to go on."""
    there = _walk(tx, user_id, after)
    for known, event in enumerate(imported):
        found = next((row.number for row in there if _is_same(row, event)), None)
        if found is None:
            return known, None
        after = found
    return len(imported), after


def _walk(tx: Tx, user_id: str, after: int) -> Iterator[Any]:
    mine = _KEPT.where(usage_events.c.user_id == user_id).limit(_PAGE)
    while rows := tx.execute(mine.where(usage_events.c.number > after)).all():
        yield from rows
        after = rows[-1].number


def _is_same(row: Any, event: UsageEvent) -> bool:
    imported = (event.kind, event.agent, event.message_id, event.bytes, _second(event.at))
    return imported == (row.kind, row.agent, row.message_id, row.bytes, _second(row.at))


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)  # exports have whole seconds
