import asyncio
import gc
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import bindparam, event, func, insert, select
from sqlalchemy.dialects import sqlite

from store.database.connect import open_store
from store.database.constant import Constant, any_of
from store.database.many_rows import SIZES, insert_texts
from store.errors import InvalidValue, Unavailable
from store.mail.deliveries import claim_due, settle_dead, settle_delivered, settle_retry
from store.mail.received_digests import keep_digest
from store.records.mail import Attempt
from store.schema.base import metadata
from store.schema.inbound import agents, users
from store.transaction import Tx
from store.types import UtcDateTime, from_sqlite, to_sqlite
from tests.places import keep_message, new_message
from tests.store.gate import in_one_group
from tests.store.notes import ADD_BY_DRIVER, DEFERRED_BY_DRIVER, NOTES, make_notes, noted

NAIVE = datetime(2026, 6, 1)  # noqa: DTZ001 (that is the point)
BY_CHANCE = {"id", "event_id", "delivery_id", "conversation_id", "number", "digest"}  # differ from run to run


class CoreTx(Tx):
    """A transaction that runs each Constant by SQLAlchemy."""

    def fetch(self, statement, values):
        self.flush()
        return self.fetch_before_deferred(statement, values)

    def fetch_before_deferred(self, statement, values):
        return self.connection.execute(self._core(statement), values).all()

    def change(self, statement, values):
        return self.execute(self._core(statement), values).rowcount

    def flush(self):
        deferred, self._deferred = self._deferred, {}
        if deferred:
            self.notes.clear()
        for statement, rows in deferred.items():
            for values in statement.gathered(rows):
                self.connection.execute(self._core(statement), values)

    def _core(self, statement):
        return statement.core(self.connection.dialect.name)


def left_by(store, transaction, work):
    """Each row of each table after *work*, as the file holds it; nothing of it is kept."""
    with store.engine.connect() as connection:
        tx = transaction(connection)
        work(tx)
        tx.flush()
        found = {}
        for table in metadata.sorted_tables:
            names = ", ".join(f'"{column.name}"' for column in table.c if column.name not in BY_CHANCE)
            rows = connection.exec_driver_sql(f"SELECT {names} FROM {table.name}").all() if names else []
            found[table.name] = sorted(map(repr, rows))
        connection.rollback()
    return found


@pytest.mark.parametrize("count", [1, 5, 43])
def test_the_driver_leaves_the_rows_that_sqlalchemy_leaves(store, poll, hook, clock, count):
    now = clock.now()
    zone = timezone(timedelta(hours=5, minutes=30))
    news = [
        new_message(
            agent.address,
            b"Subject: %d\r\n\r\n" % n,
            at=(now + timedelta(microseconds=n)).astimezone(zone),
            subject=f"zo\u00eb {n}",
            parent_ids=("first@x",),
            email_message_id="first@x" if n == 0 else None,
        )
        for n in range(count)
        for agent in (poll, hook)
    ]

    def work(tx):
        for n, new in enumerate(news):
            keep_message(tx, new, b"Subject: %d\r\n\r\n" % (n // 2))
            keep_digest(tx, f"{n:064x}", new.id, now=now)
        tx.flush()
        claims = claim_due(tx, hook.address, limit=40, lease=timedelta(minutes=1), now=now + timedelta(hours=1))
        assert len(claims) == min(count, 40)
        for n, claim in enumerate(claims):
            attempt = Attempt(
                at=now, duration_ms=n, status=(200, 204, 500, None)[n % 4], error=None if n % 4 < 2 else "no"
            )
            if n % 4 < 2:
                settle_delivered(tx, claim, attempt, now=now)
            elif n % 4 == 2:
                settle_retry(tx, claim, attempt, due_at=now + timedelta(hours=2))
            else:
                settle_dead(tx, claim, attempt, now=now)

    by_driver, by_core = left_by(store, Tx, work), left_by(store, CoreTx, work)

    assert by_core == by_driver
    assert len(by_core["messages"]) == 2 * count


def test_rows_are_read_as_sqlalchemy_reads_them(store, poll, hook):
    asked = select(agents, users).outerjoin_from(agents, users).where(agents.c.address == bindparam("one"))
    asked = asked.with_only_columns(*agents.c, *[column.label(f"of_{column.name}") for column in users.c])

    for address in (poll.address, hook.address, "nobody@agents.example"):
        by_core = store.run(lambda tx, one=address: [tuple(row) for row in tx.execute(asked, {"one": one})])
        assert by_core == store.run(
            lambda tx, one=address: [tuple(row) for row in tx.fetch(Constant(asked), {"one": one})]
        )


def test_a_list_is_one_parameter(store, poll, hook, other):
    named = {name: select(agents.c.address).where(one) for name, one in any_of(agents.c.address, "some").items()}
    asked = Constant(named)

    for some in ([], [poll.address], [other.address, hook.address, "nobody@x"]):
        found = store.run(lambda tx, some=some: tx.fetch(asked, {"some": some}))
        assert {row.address for row in found} == set(some) - {"nobody@x"}


def test_every_constant_of_the_store_has_a_text_for_both_databases(sqlite_file_url, postgres_url):
    stores = [open_store(url) for url in (sqlite_file_url, postgres_url)]
    ours = [each for each in gc.get_objects() if isinstance(each, Constant) and each._core is not None]

    for store in stores:
        for constant in ours:
            core = constant.core(store.engine.dialect.name)
            names = tuple(column.name for column in core.table.c) if core.is_insert else ()
            assert constant._plan(store.engine.dialect, names).text
        store.engine.dispose()
    assert len(ours) > 10


def test_any_number_of_rows_is_a_few_statements(sqlite_notes):
    texts = insert_texts("INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT DO NOTHING")

    assert [size for size, _ in texts] == list(SIZES)
    assert dict(texts)[3] == "INSERT INTO t (a, b) VALUES (?, ?), (?, ?), (?, ?) ON CONFLICT DO NOTHING"


def test_times_are_in_sqlite_as_sqlalchemy_writes_them():
    dialect = sqlite.dialect()
    kind = UtcDateTime().dialect_impl(dialect)
    moments = [
        datetime(year, month, 28, 23, 59, 59, microseconds, tzinfo=zone)
        for year, month in ((1970, 1), (999, 12), (9998, 2), (2026, 6))
        for microseconds in (0, 1, 120_000, 999_999)
        for zone in (
            UTC,
            timezone(timedelta(hours=-11)),
            timezone(timedelta(hours=5, minutes=30)),
            ZoneInfo("Europe/Oslo"),
        )
    ]

    for moment in moments:
        written = to_sqlite(moment)
        assert written == kind.bind_processor(dialect)(moment)
        assert from_sqlite(written) == kind.result_processor(dialect, None)(written) == moment
        assert from_sqlite(written).tzinfo is UTC


# Errors


def test_a_time_without_a_zone_is_refused(store):
    asked = Constant(select(users.c.id).where(users.c.created_at == bindparam("at")))

    with pytest.raises(InvalidValue):
        store.run(lambda tx: tx.fetch(asked, {"at": NAIVE}))


@pytest.mark.parametrize("way", ["change", "defer"])
async def test_a_constraint_is_an_invalid_value_and_tells_no_value(notes, way):
    def unit(tx):
        if way == "change":
            tx.change(ADD_BY_DRIVER, {"number": 4711, "of": None})
        else:
            tx.defer(DEFERRED_BY_DRIVER, {"n": 4711, "parent": None})

    await notes.write(unit)

    with pytest.raises(InvalidValue) as caught:
        await notes.write(unit)
    assert "4711" not in str(caught.value)


async def test_a_full_disk_is_unavailable_and_keeps_nothing(sqlite_file_url):
    store = open_store(sqlite_file_url)
    store.run(make_notes)
    with store.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    store.engine.dispose()
    event.listen(store.engine, "connect", lambda driven, _: driven.execute(f"PRAGMA max_page_count={pages + 2}"))
    store.start()

    def too_much(tx):
        for n in range(100_000):
            tx.defer(DEFERRED_BY_DRIVER, {"n": n, "parent": None})

    answers = await in_one_group(
        store.write, too_much, lambda tx: tx.defer(DEFERRED_BY_DRIVER, {"n": 1, "parent": None})
    )

    assert isinstance(answers[0], Unavailable)
    assert await store.read(noted) == ([] if isinstance(answers[1], Unavailable) else [1])
    await store.stop()


async def test_a_locked_database_is_unavailable(sqlite_file_url):
    store = open_store(sqlite_file_url)
    event.listen(store.engine, "connect", lambda driven, _: driven.execute("PRAGMA busy_timeout=20"))
    store.run(make_notes)
    other = sqlite3.connect(store.engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.start()
    adds = [lambda tx, n=n: tx.defer(DEFERRED_BY_DRIVER, {"n": n, "parent": None}) for n in (1, 2)]

    answers = await asyncio.gather(*map(store.write, adds), return_exceptions=True)
    other.execute("ROLLBACK")
    other.close()

    assert [Unavailable] * 2 == [type(answer) for answer in answers]
    await store.write(adds[0])
    assert [1] == await store.read(noted)
    await store.stop()


@pytest.mark.parametrize("way", ["write", "read", "run"])
async def test_a_connection_that_is_cut_is_unavailable_and_then_replaced(postgres_notes, way):
    cut = Constant(select(func.pg_terminate_backend(func.pg_backend_pid()).label("cut")))
    ask = getattr(postgres_notes, way)

    async def asked(unit):
        return ask(unit) if way == "run" else await ask(unit)

    with pytest.raises(Unavailable):
        await asked(lambda tx: tx.fetch(cut, {}))

    count = Constant(select(func.count().label("all")).select_from(NOTES))
    assert [(0,)] == [tuple(row) for row in await asked(lambda tx: tx.fetch(count, {}))]


# Who listens


def test_listeners_of_the_engine_hear_constant_statements_too(store, stranger):
    heard = []
    asked = Constant(select(users.c.email).where(users.c.id == bindparam("one")))
    event.listen(store.engine, "before_cursor_execute", lambda *given: heard.append(("before", given[2], given[3])))
    event.listen(store.engine, "after_cursor_execute", lambda *given: heard.append(("after", given[2], given[3])))

    store.run(lambda tx: tx.fetch(asked, {"one": stranger.id}))

    assert ["before", "after"] == [when for when, *_ in heard]
    assert (stranger.id,) == heard[0][2]
    assert heard[0][1:] == heard[1][1:]


async def test_the_writer_keeps_its_connection(live_store, clock):
    taken = []
    event.listen(live_store.engine, "checkout", lambda *given: taken.append(given))
    for n in range(5):
        await live_store.write(
            lambda tx, n=n: tx.execute(
                insert(users),
                {"id": f"u{n}", "email": f"u{n}@x.example", "subject": f"s{n}", "created_at": clock.now()},
            )
        )

    assert len(taken) <= 1
