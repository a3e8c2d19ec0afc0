"""Column types with the same meaning on SQLite and PostgreSQL."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

Converters = list[tuple[int, Callable[[Any], Any]]]
"""Places of a row, each with the function that converts the value there; none converts None."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, stored in UTC. Raises ValueError: naive datetime."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; drop the zone for SQLite, which stores none."""
        if value is None:
            return None
        utc = in_utc(value)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware datetime in UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Json(TypeDecorator[Any]):
    """A JSON document stored as text, so that both databases hold the same bytes.

    Queries never search inside it.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Serialise to text."""
        del dialect
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Parse from text."""
        del dialect
        return None if value is None else orjson.loads(value)


def in_utc(value: datetime) -> datetime:
    """*value* in UTC. Raises ValueError: naive datetime."""
    if value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        raise ValueError(f"naive datetime: {value!r}; pass one with a time zone")
    return value.astimezone(UTC)


def to_sqlite(value: datetime) -> str:
    """A UtcDateTime as SQLite's file holds it. Raises ValueError: naive datetime."""
    return in_utc(value).isoformat(" ", "microseconds")[:26]


def from_sqlite(value: str) -> datetime:
    """A UtcDateTime from SQLite's file."""
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def converters(types: Sequence[TypeEngine[Any]], dialect: Dialect, *, inward: bool) -> Converters:
    """What converts values of *types* to what the driver takes (*inward*), or from what it returns."""
    found = ((at, _converter(each, dialect, inward=inward)) for at, each in enumerate(types))
    return [(at, convert) for at, convert in found if convert is not None]


def _converter(each: TypeEngine[Any], dialect: Dialect, *, inward: bool) -> Callable[[Any], Any] | None:
    if isinstance(each, UtcDateTime):  # half of all values of a row: quicker than by the general type
        if dialect.name == "sqlite":
            return to_sqlite if inward else from_sqlite
        return in_utc
    of_driver = each.dialect_impl(dialect)
    return of_driver.bind_processor(dialect) if inward else of_driver.result_processor(dialect, None)
