"""Stores with something in them, and agents to start from."""

import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from store import migrate
from store.connect import open_engine, open_store, sqlite_url
from store.engine import Store
from store.outbound import create_outbound_message, create_pending_outbound_message, get_outbound_message
from store.records import Agent
from store.schema import metadata
from store.users import bootstrap_user
from tests.places import Places, keep_message, new_message, new_outbound
from tests.store.notes import make_notes


@pytest.fixture(scope="session")
def postgres_of_all(postgres: str, postgres_template: str) -> Iterator[str]:
    """A migrated PostgreSQL database for the whole folder: making one takes longer than most tests here."""
    name = f"store_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield make_url(postgres).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_url(postgres_of_all: str) -> Iterator[str]:
    """The folder's database, emptied after each test."""
    yield postgres_of_all
    with psycopg.connect(postgres_of_all, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute("DROP TABLE IF EXISTS notes")
        for table in reversed(metadata.sorted_tables):
            connection.execute(f"DELETE FROM {table.name}")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that tests' own are copied from."""
    path = tmp_path_factory.mktemp("template") / "mailseal.db"
    engine = open_engine(sqlite_url(path))
    migrate.upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture
def sqlite_file_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated SQLite database of this test alone."""
    return sqlite_url(Path(shutil.copy(sqlite_template, tmp_path / "mailseal.db")))


@pytest.fixture
def places(clock, master) -> Places:
    return Places(clock, master)


@pytest.fixture
async def notes(live_store) -> Store:
    """A live store with a table of the test's own, on both databases."""
    await live_store.write(make_notes)
    return live_store


@pytest.fixture
async def sqlite_notes(sqlite_store) -> Store:
    """The same on SQLite alone."""
    await sqlite_store.write(make_notes)
    return sqlite_store


@pytest.fixture
async def postgres_notes(postgres_url) -> AsyncIterator[Store]:
    """The same on PostgreSQL alone."""
    opened = open_store(postgres_url)
    opened.start()
    await opened.write(make_notes)
    yield opened
    await opened.stop()


@pytest.fixture
def beside(database_url, store) -> Iterator[Store]:
    """A second process's store on the database of *store*."""
    opened = open_store(database_url)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def poll(store, places) -> Agent:
    """An agent that polls."""
    return store.run(places.poll_agent)


@pytest.fixture
def hook(store, places) -> Agent:
    """An agent with a webhook, on the domain of *poll* and of the same user."""

    def unit(tx):
        user = places.user(tx)
        places.domain(tx, user)
        return places.agent(tx, user, "hook@agents.example", webhook="https://hooks.example/in")

    return store.run(unit)


@pytest.fixture
def other(store, places, poll):
    return store.run(lambda tx: places.agent(tx, places.user(tx), "other@agents.example"))


@pytest.fixture
def arrive(store, clock):
    """Has one mail arrive for an agent."""

    def keep(agent, raw=b"Subject: hi\r\n\r\nhello\r\n", **changes):
        new = new_message(agent.address, raw, at=clock.now(), **changes)
        return store.run(lambda tx: keep_message(tx, new, raw))

    return keep


@pytest.fixture
def compose(store, poll, clock):
    """Has the polling agent write a mail: held for *ttl* seconds, or queued."""

    def keep(*, ttl=None, agent=poll.address, **changes):
        new = new_outbound(agent, at=clock.now(), **changes)
        if ttl is None:
            return store.run(lambda tx: create_outbound_message(tx, new))
        return store.run(lambda tx: create_pending_outbound_message(tx, new, ttl_seconds=ttl))

    return keep


@pytest.fixture
def stranger(store, clock):
    """Another user, with nothing."""
    return store.run(lambda tx: bootstrap_user(tx, "eve@stranger.example", now=clock.now()))


@pytest.fixture
def state(store):
    """Whatever is known of an outbound message, whoever asks."""
    return lambda message: store.run(lambda tx: get_outbound_message(tx, message.id))
