from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select

from store.errors import InvalidValue
from store.types import Json, UtcDateTime

THINGS = Table("notes", MetaData(), Column("n", Integer), Column("at", UtcDateTime), Column("what", Json))
MOMENT = datetime(2026, 11, 23, 15, 17, 0, 123456, tzinfo=UTC)


@pytest.fixture
def keep(store):
    """Writes one row and reads it back."""

    store.run(lambda tx: THINGS.create(tx.connection))

    def there_and_back(column, value):
        def unit(tx):
            tx.execute(insert(THINGS), {"n": 1, column: value})
            return tx.execute(select(THINGS.c[column])).scalar_one()

        return store.run(unit)

    return there_and_back


@pytest.mark.parametrize(
    "given",
    [
        MOMENT,
        MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30))),
        MOMENT.astimezone(timezone(timedelta(hours=-11))),
    ],
)
def test_a_moment_comes_back_as_the_same_one_in_utc(keep, given):
    found = keep("at", given)

    assert (MOMENT, UTC) == (found, found.tzinfo)


def test_no_moment_comes_back_as_none(keep):
    assert keep("at", None) is None


def test_a_naive_moment_is_refused(keep):
    with pytest.raises(InvalidValue):
        keep("at", datetime(2026, 11, 23))  # noqa: DTZ001 (that is the point)


def test_moments_sort_and_compare_by_time_whatever_their_zone(store, keep):
    later = (MOMENT + timedelta(minutes=1)).astimezone(timezone(timedelta(hours=-11)))
    store.run(lambda tx: tx.execute(insert(THINGS), [{"n": 2, "at": later}, {"n": 1, "at": MOMENT}]))
    east = MOMENT.astimezone(timezone(timedelta(hours=9)))

    assert [1, 2] == store.run(lambda tx: list(tx.execute(select(THINGS.c.n).order_by(THINGS.c.at)).scalars()))
    assert [2] == store.run(lambda tx: list(tx.execute(select(THINGS.c.n).where(THINGS.c.at > east)).scalars()))


@pytest.mark.parametrize(
    "document",
    [{"a": [1, 2.5, None, True], "ü": {"\u2028": "😀"}}, [], "text", 0, {"quote": "\"'\\"}, [["Received", "a\r\n b"]]],
)
def test_a_document_comes_back_as_it_was(keep, document):
    assert document == keep("what", document)


def test_no_document_comes_back_as_none(keep):
    assert keep("what", None) is None


@pytest.mark.parametrize("nonsense", [object(), {1: 2}, {"a": {1, 2}}])
def test_what_is_no_document_is_refused(keep, nonsense):
    with pytest.raises(InvalidValue):
        keep("what", nonsense)
