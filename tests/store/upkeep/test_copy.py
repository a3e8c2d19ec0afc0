import asyncio
import os
import signal
import sys
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, event, func, insert, select, text

from store.database import migrate
from store.database.connect import open_engine, open_store
from store.directory.sending_pause import pause_sending
from store.errors import CopyDiffers, InvalidValue, NotCopyable, StoreError, TargetNotEmpty, Unavailable, Unusable
from store.facts import MASTER_CHECK, write_fact
from store.mail.deliveries import claim_due, settle_dead
from store.records.mail import Attempt
from store.schema.inbound import bodies, body_chunks, delivery_attempts, usage_days, usage_events
from store.types import UtcDateTime
from store.upkeep.copy.copy import copy_store
from store.upkeep.copy.digest import digest_of
from store.upkeep.copy.parts import PartLimits, in_parts
from tests.store.database.test_migrate import ROOT, empty_engines, empty_postgres_urls, empty_sqlite_urls
from tests.store.owned import MINUTE, dump, multiply, own_everything

__all__ = ["empty_engines", "empty_postgres_urls", "empty_sqlite_urls"]

COPY = """
import sys
from store.database.connect import open_engine
from store.upkeep.copy.copy import copy_store
from store.upkeep.copy.parts import PartLimits

def tell(table, rows):
    print(table, rows, flush=True)
    if table == "messages":
        sys.stdin.readline()  # until it is killed

copy_store(open_engine(sys.argv[1]), open_engine(sys.argv[2]), on_progress=tell, bounds=PartLimits(rows=500))
"""


_HOLDS_NUL = r"api_keys key_\w+: name contains U\+0000, which PostgreSQL cannot store"
SMALL = PartLimits(rows=3)


@pytest.fixture
def filled(store, places):
    """A store of each kind with rows in every table, of two users."""
    for email, domain in (("ana@owner.example", "agents.example"), ("bo@owner.example", "bo.example")):
        own_everything(store, places, email, domain)
    store.run(lambda tx: pause_sending(tx, reason="a test", now=places.clock.now()))
    store.run(lambda tx: write_fact(tx, MASTER_CHECK, "of a test", now=places.clock.now()))
    return store


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request):
    """An empty database of each kind."""
    if request.param == "sqlite":
        url = request.getfixturevalue("empty_sqlite_urls")[0]
    else:
        url = request.getfixturevalue("empty_postgres_url")
    engine = open_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def arrived(target):
    """The target as a store."""
    opened = open_store(url_of(target))
    yield opened
    opened.engine.dispose()


class Interruption(Exception):
    pass


@contextmanager
def closing_engine(url):
    engine = open_engine(url)
    yield engine
    engine.dispose()


def interrupt_after(parts):
    left = iter(range(parts))

    def tell(_table, _rows):
        if next(left, None) is None:
            raise Interruption

    return tell


def test_everything_arrives(filled, target, arrived):
    copied = copy_store(filled.engine, target)

    assert dump(filled) == dump(arrived)
    counts = {table: len(rows) for table, rows in dump(filled).items()}
    assert counts == {each.table: each.rows for each in copied}
    assert min(counts.values()) > 0
    assert migrate.state(target).is_current


def test_a_store_that_was_copied_goes_on(filled, target, arrived, places, clock):
    copy_store(filled.engine, target)

    def mail(tx):
        return places.message(tx, "poll@agents.example").seq

    def deliver(tx):
        (claim, *_) = claim_due(tx, "hook@agents.example", limit=1, lease=MINUTE, now=clock.now())
        settle_dead(tx, claim, Attempt(at=clock.now(), duration_ms=1, status=500, error=None), now=clock.now())

    clock.advance(hours=1)
    assert filled.run(mail) == arrived.run(mail)
    arrived.run(deliver)  # its attempt is counted on behind the copied ones


def test_what_is_copied_back_is_the_same(filled, target, empty_sqlite_urls):
    there = copy_store(filled.engine, target)

    with closing_engine(empty_sqlite_urls[1]) as back:
        assert there == copy_store(target, back)


@pytest.mark.parametrize("parts", [0, 1, 7, 20])
def test_a_copy_that_was_interrupted_goes_on_where_it_was(filled, target, arrived, parts):
    with pytest.raises(Interruption):
        copy_store(filled.engine, target, on_progress=interrupt_after(parts), bounds=SMALL)
    with pytest.raises(Unusable):
        migrate.state(target)
    told = []

    copied = copy_store(filled.engine, target, on_progress=lambda table, rows: told.append((table, rows)), bounds=SMALL)

    assert dump(filled) == dump(arrived)
    assert len(told) < sum(-(-each.rows // 3) for each in copied)


async def test_a_copy_that_was_killed_goes_on_where_it_was(many, target):
    arguments = [url_of(many.engine), url_of(target)]
    environment = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", COPY, *arguments),
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    while not (await process.stdout.readline()).startswith(b"messages "):
        pass
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()

    with pytest.raises(Unusable, match="migrate-to"):
        migrate.state(target)
    copied = {each.table: each.rows for each in await asyncio.to_thread(copy_store, many.engine, target)}

    assert copied["messages"] > 1500
    assert migrate.state(target).is_current


@pytest.fixture
def many(filled, places):
    """The filled store with some thousand messages more."""

    def unit(tx):
        multiply(tx, places.message(tx, "postmaster@agents.example").id, 1500)

    filled.run(unit)
    return filled


def test_a_database_with_rows_is_left_alone(filled, target, arrived, places):
    migrate.upgrade(target)
    arrived.run(lambda tx: places.user(tx, "cy@owner.example"))
    before = dump(arrived)

    with pytest.raises(TargetNotEmpty):
        copy_store(filled.engine, target)

    assert before == dump(arrived)
    assert migrate.state(target).is_current


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE messages SET subject = 'another' WHERE id = (SELECT min(id) FROM messages)",
        "DELETE FROM delivery_attempts WHERE number = (SELECT min(number) FROM delivery_attempts)",
        "UPDATE users SET updated_at = created_at",
    ],
)
def test_a_row_that_did_not_arrive_as_it_was_is_found(filled, target, statement):
    def tamper(table, _rows):
        if table == "delivery_attempts":
            with target.begin() as connection:
                assert connection.execute(text(statement)).rowcount

    with pytest.raises(CopyDiffers):
        copy_store(filled.engine, target, on_progress=tamper)

    with pytest.raises(Unusable):
        migrate.state(target)


def test_a_store_of_an_older_release_is_not_copied(empty_engines):
    migrate.upgrade(empty_engines[0], to="0001")

    with pytest.raises(InvalidValue, match="mailseal migrate"):
        copy_store(*empty_engines)


def test_what_postgresql_cannot_hold_is_named(sqlite_file_url, places, empty_postgres_url):
    store = open_store(sqlite_file_url)
    own_everything(store, places, "ana@owner.example", "agents.example")
    store.run(lambda tx: tx.execute(text("UPDATE api_keys SET name = 'a' || char(0) || 'b' WHERE name = 'one'")))

    with closing_engine(empty_postgres_url) as target, pytest.raises(NotCopyable, match=_HOLDS_NUL):
        copy_store(store.engine, target)
    store.engine.dispose()


def test_a_database_that_goes_away_is_unavailable(filled, unused_tcp_port):
    with pytest.raises(Unavailable):
        copy_store(filled.engine, open_engine(f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/mail"))


@pytest.mark.parametrize(
    ("bounds", "parts"),
    [
        (PartLimits(rows=2), [["b", "d"], ["f", "h"], ["j"]]),
        (PartLimits(size=2500), [["b", "d"], ["f"], ["h", "j"]]),
        (PartLimits(size=1), [["b"], ["d"], ["f"], ["h"], ["j"]]),
    ],
)
def test_a_part_has_no_more_rows_and_bytes_than_it_may_unless_one_row_has(store, clock, bounds, parts):
    contents = {"b": b"", "d": b"x" * 2000, "f": b"x" * 9000, "h": b"", "j": b"x" * 2000}
    rows = [
        {"sha256": name, "size": len(content), "content": content, "created_at": clock.now()}
        for name, content in contents.items()
    ]
    store.run(lambda tx: tx.execute(insert(bodies), rows))

    with store.snapshot() as tx:
        found = [[row.sha256 for row in part] for part in in_parts(tx.connection, bodies, bounds=bounds)]
        rest = [row.sha256 for part in in_parts(tx.connection, bodies, behind=("f",), bounds=bounds) for row in part]

    assert (parts, ["h", "j"]) == (found, rest)


def test_a_key_of_several_columns_is_walked_in_its_order(filled):
    for table in (body_chunks, usage_days):
        with filled.snapshot() as tx:
            walked = [row for part in in_parts(tx.connection, table, bounds=PartLimits(rows=1)) for row in part]

        assert len(walked) > 2
        assert sorted(map(repr, walked)) == sorted(
            map(repr, filled.run(lambda tx, of=table: tx.execute(select(of)).all()))
        )


def test_nothing_is_written_before_it_is_known_that_every_text_fits(sqlite_file_url, places, empty_postgres_url):
    store = open_store(sqlite_file_url)
    own_everything(store, places, "ana@owner.example", "agents.example")
    store.run(lambda tx: tx.execute(text("UPDATE delivery_attempts SET error = 'a' || char(0)")))

    with closing_engine(empty_postgres_url) as target:
        with pytest.raises(NotCopyable, match="delivery_attempts 1: error contains"):
            copy_store(store.engine, target)
        assert migrate.state(target).found is None
    store.engine.dispose()


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("UPDATE delivery_attempts SET duration_ms = 99999999999", "delivery_attempts"),
        ("UPDATE agent_secrets SET sealed = 'text'", "agent_secrets"),
        ("UPDATE messages SET subject = CAST(x'ff41' AS TEXT)", "messages"),
        ("UPDATE messages SET remote_ip = CAST('bytes' AS BLOB)", "messages"),
    ],
)
def test_what_only_sqlite_keeps_stops_the_copy_with_the_table_s_name(
    sqlite_file_url, places, empty_postgres_url, statement, table
):
    store = open_store(sqlite_file_url)
    own_everything(store, places, "ana@owner.example", "agents.example")
    store.run(lambda tx: tx.execute(text(statement)))

    with closing_engine(empty_postgres_url) as target, pytest.raises(StoreError, match=table):
        copy_store(store.engine, target)
    store.engine.dispose()


@pytest.mark.parametrize("word", ["INSERT", "UPDATE mailseal_copy"])
@pytest.mark.parametrize("count", [5, 15])
def test_a_copy_that_breaks_off_within_a_transaction_goes_on(filled, target, arrived, word, count):
    seen = []

    def break_off(_connection, _cursor, statement, *_):
        seen.append(statement.startswith(word) and "alembic" not in statement)
        if sum(seen) == count:
            raise Interruption

    event.listen(target, "before_cursor_execute", break_off)
    with pytest.raises(Interruption):
        copy_store(filled.engine, target, bounds=SMALL)
    event.remove(target, "before_cursor_execute", break_off)

    copy_store(filled.engine, target, bounds=SMALL)

    assert dump(filled) == dump(arrived)


def test_a_target_of_an_older_release_that_has_rows_is_left_at_its_revision(filled, target):
    migrate.upgrade(target, to="0001")
    with target.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO users (id, email, subject, created_at) VALUES ('u', 'a@b.example', 's', :now)"
            ).bindparams(bindparam("now", datetime(2026, 1, 1, tzinfo=UTC), UtcDateTime()))
        )

    with pytest.raises(TargetNotEmpty, match="users"):
        copy_store(filled.engine, target)

    assert "0001" == migrate.state(target).found


def test_another_program_s_database_is_left_alone(filled, target):
    with target.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (n INTEGER)"))
        connection.execute(text("INSERT INTO theirs VALUES (1)"))

    with pytest.raises(TargetNotEmpty, match="theirs"):
        copy_store(filled.engine, target)

    assert migrate.state(target).found is None


def test_a_database_of_a_later_release_is_left_alone(filled, target):
    migrate.upgrade(target)
    with target.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(InvalidValue, match="later release"):
        copy_store(filled.engine, target)


def test_two_copies_into_one_database_do_not_mix(filled, target, arrived):
    def other_is_ahead(table, rows):
        with target.begin() as connection:
            connection.execute(text("UPDATE mailseal_copy SET rows = rows + 1 WHERE name = :name"), {"name": table})

    with pytest.raises(TargetNotEmpty, match="another process"):
        copy_store(filled.engine, target, bounds=PartLimits(rows=1), on_progress=other_is_ahead)


def test_counters_go_on_behind_the_copied_rows(filled, target, arrived, clock):
    copy_store(filled.engine, target)

    for table in (delivery_attempts, usage_events):
        last = arrived.run(lambda tx, of=table: tx.execute(select(of).order_by(of.c.number.desc()).limit(1)).one())
        again = {name: value for name, value in last._mapping.items() if name != "number"}
        arrived.run(lambda tx, of=table, row=again: tx.execute(insert(of).values(row)))
        assert last.number + 1 == arrived.run(lambda tx, of=table: tx.execute(select(func.max(of.c.number))).scalar())


def test_a_source_that_changed_between_two_tries_is_found(filled, target, places):
    with pytest.raises(Interruption):
        copy_store(filled.engine, target, bounds=SMALL, on_progress=interrupt_after(12))
    filled.run(lambda tx: tx.execute(text("UPDATE users SET name = 'another'")))

    with pytest.raises(CopyDiffers, match="empty the target database and copy again"):
        copy_store(filled.engine, target, bounds=SMALL)


def test_a_digest_does_not_depend_on_the_order_and_tells_every_value_apart():
    rows = [(1, "a", None, True, b"x"), (2, "b", 0, False, b""), (3, "1", "", None, b"\0")]

    assert digest_of(rows) == digest_of(rows[::-1])
    others = [
        (1, "a", None, 1, b"x"),
        (1, "a", "", True, b"x"),
        ("1", "a", None, True, b"x"),
        (1, "a", None, True, "x"),
    ]
    assert 5 == len({digest_of([row])[1] for row in (rows[0], *others)})


def url_of(engine):
    return engine.url.set(drivername=engine.dialect.name).render_as_string(hide_password=False)
