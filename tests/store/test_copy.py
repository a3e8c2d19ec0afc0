import asyncio
import os
import signal
import sys
from contextlib import contextmanager

import pytest
from sqlalchemy import event, text

from store import copy as copying
from store import migrate
from store.connect import open_engine, open_store
from store.copy import CopyDiffers, TargetNotEmpty, copy_store
from store.deliveries import claim_due, settle_dead
from store.digest import digest_of
from store.errors import InvalidValue, Unavailable
from store.records import Attempt
from tests.store.owned import MINUTE, dump, multiply, own_everything
from tests.store.test_migrate import ROOT, empty_engines, empty_postgres_urls, empty_sqlite_urls

__all__ = ["empty_engines", "empty_postgres_urls", "empty_sqlite_urls"]

COPY = """
import sys
from store.connect import open_engine
from store.copy import copy_store
copy_store(open_engine(sys.argv[1]), open_engine(sys.argv[2]), tell=lambda table, rows: print(table, rows, flush=True))
"""


_HOLDS_NO_NUL = r"api_keys key_\w+: PostgreSQL's text holds no NUL, which name has"


@pytest.fixture
def filled(store, places):
    """A store of each kind with rows in every table, of two users."""
    for email, domain in (("ana@owner.example", "agents.example"), ("bo@owner.example", "bo.example")):
        own_everything(store, places, email, domain)
    return store


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request):
    """An empty database of each kind."""
    kind = "sqlite" if request.param == "sqlite" else "postgres"
    engine = open_engine(request.getfixturevalue(f"empty_{kind}_urls")[0])
    yield engine
    engine.dispose()


@pytest.fixture
def arrived(target):
    """The target as a store."""
    opened = open_store(url_of(target))
    yield opened
    opened.engine.dispose()


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of three rows, so that there are many."""
    monkeypatch.setattr(copying, "_PART_ROWS", 3)


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


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("parts", [0, 1, 7, 20])
def test_a_copy_that_was_interrupted_goes_on_where_it_was(filled, target, arrived, parts):
    with pytest.raises(Interruption):
        copy_store(filled.engine, target, tell=interrupt_after(parts))
    with pytest.raises(Unavailable):
        migrate.state(target)
    told = []

    copied = copy_store(filled.engine, target, tell=lambda table, rows: told.append((table, rows)))

    assert dump(filled) == dump(arrived)
    assert len(told) < sum(-(-each.rows // 3) for each in copied)


async def test_a_copy_that_was_killed_goes_on_where_it_was(many, target):
    arguments = [url_of(many.engine), url_of(target)]
    environment = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COPY, *arguments, env=environment, stdout=asyncio.subprocess.PIPE
    )
    while not (await process.stdout.readline()).startswith(b"messages "):
        pass
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()

    with pytest.raises(Unavailable, match="migrate-to"):
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
        copy_store(filled.engine, target, tell=tamper)

    with pytest.raises(Unavailable):
        migrate.state(target)


def test_a_store_of_an_older_release_is_not_copied(empty_engines):
    migrate.upgrade(empty_engines[0], to="0001")

    with pytest.raises(InvalidValue, match="mailseal migrate"):
        copy_store(*empty_engines)


def test_what_postgresql_cannot_hold_is_named(sqlite_file_url, places, empty_postgres_urls):
    store = open_store(sqlite_file_url)
    own_everything(store, places, "ana@owner.example", "agents.example")
    store.run(lambda tx: tx.execute(text("UPDATE api_keys SET name = 'a' || char(0) || 'b' WHERE name = 'one'")))

    with closing_engine(empty_postgres_urls[0]) as target, pytest.raises(InvalidValue, match=_HOLDS_NO_NUL):
        copy_store(store.engine, target)
    store.engine.dispose()


def test_a_database_that_goes_away_is_unavailable(filled, unused_tcp_port):
    with pytest.raises(Unavailable):
        copy_store(filled.engine, open_engine(f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/mail"))


def test_a_copy_sends_a_bounded_part_at_a_time(many, target):
    sizes = []
    event.listen(target, "before_cursor_execute", lambda *given: sizes.append(len(given[3]) if given[5] else 1))

    copy_store(many.engine, target)

    assert max(sizes) <= 40 * copying._PART_ROWS


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
