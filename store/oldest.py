"""Take the oldest rows of a table in batches, from several workers at a time."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, TextClause, bindparam, select, tuple_

MOST: Final = "most"  # the parameter that bounds a batch


def among_oldest(
    keys: Sequence[Column[Any]], at: Column[Any], until: str, *conditions: ColumnElement[bool] | TextClause
) -> ColumnElement[bool]:
    """The condition that a row is one of the MOST oldest by *at*, up to the parameter *until*, that no worker holds.

    *keys* identify a row of the table; rows that do not meet *conditions* are left out.
    """
    taken = (
        select(*keys)
        .where(*conditions, at <= bindparam(until))
        .order_by(at)
        .limit(bindparam(MOST))
        .with_for_update(skip_locked=True)
        .cte("taken")
    )
    found = select(*[taken.c[key.name] for key in keys])
    return keys[0].in_(found) if len(keys) == 1 else tuple_(*keys).in_(found)
