"""Stores with something in them, and agents to start from."""

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from sqlalchemy import make_url

from store.connect import open_store
from store.engine import Store
from store.records import Agent
from store.schema import metadata
from tests.places import Places
from tests.store.notes import make_notes


@pytest.fixture(scope="session")
def postgres_of_all(postgres: str, postgres_template: str) -> Iterator[str]:
    """A migrated PostgreSQL database for the whole folder: making one takes longer than most tests here."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE all_of_store TEMPLATE {postgres_template}")
    yield make_url(postgres).set(database="all_of_store").render_as_string(hide_password=False)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP DATABASE all_of_store WITH (FORCE)")


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
