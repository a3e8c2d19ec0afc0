"""Who else uses a PostgreSQL database."""

from typing import Final

from sqlalchemy import Engine, bindparam, text
from sqlalchemy.exc import SQLAlchemyError

from store.database.error_translation import translated
from store.database.pg_limits import APPLICATION_NAME

_OTHERS: Final = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = :name AND pid <> pg_backend_pid()"
).bindparams(bindparam("name", APPLICATION_NAME))


def count_other_connections(engine: Engine) -> int:
    """Connections of other processes of this program to the database; 0 on SQLite, where a lock tells it.

    Other connections of *engine* are closed first. Raises Unavailable.
    """
    if engine.dialect.name != "postgresql":
        return 0
    engine.dispose()
    try:
        with engine.connect() as connection:
            return int(connection.execute(_OTHERS).scalar_one())
    except SQLAlchemyError as error:
        raise translated(error) from error
