"""Schema migrations: the revision of a database, and its upgrade to the newest.

One Alembic chain for both databases, forward only. It is in ``alembic/`` of a checkout and inside the
package of an installed wheel; both places are searched.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from store.database.connect import place_of
from store.database.error_translation import cannot_open
from store.database.moved import require_not_moved
from store.database.pg_limits import without_limit
from store.errors import Unavailable, Unusable, cause_of

_HERE: Final = Path(__file__).resolve().parents[1]
_VERSION_TABLE: Final = "alembic_version"
_LINKS: Final = re.compile(r'^(revision|down_revision) = "([^"]+)"$', re.MULTILINE)
UNFINISHED: Final = "mailseal_copy"  # a table that exists while a store is being copied into this database
_LOCK: Final = text("SELECT pg_advisory_xact_lock(7230911502)")  # an arbitrary number, the same in every process


def migrations_folder() -> Path:
    """The folder of the migration chain.

    Raises Unusable: the installation lacks it.
    """
    for folder in (_HERE / "_alembic", _HERE.parent / "alembic"):
        if (folder / "env.py").is_file():
            return folder
    raise Unusable("the installation lacks its migrations (alembic/env.py): install the package again")


@dataclass(frozen=True, slots=True)
class State:
    """A database's revision, compared with the migration chain."""

    found: str | None  # its revision; None for an empty database
    wanted: str  # the newest revision of this program
    is_newer: bool  # made by a later release; that schema keeps working with the release before it

    @property
    def is_current(self) -> bool:
        """Whether the database is at the newest revision."""
        return self.found == self.wanted


def state(engine: Engine, *, may_be_moved: bool = False) -> State:
    """The revision of the database of *engine*.

    Raises Unavailable: it does not answer. Raises Unusable: it cannot be opened until a person acts, or it holds an
    unfinished copy. Raises MovedAway: the store was moved, unless *may_be_moved*.
    """
    place = place_of(engine.url)
    try:
        with engine.connect() as connection:
            found = read_state(connection)
            if engine.dialect.has_table(connection, UNFINISHED):
                raise Unusable(f"the database {place} holds an unfinished copy: run `mailseal migrate-to` again")
            if not may_be_moved:
                require_not_moved(connection, place=place)
    except SQLAlchemyError as error:
        raise cannot_open(error, place=f"the database {place}") from error
    return found


def read_state(connection: Connection) -> State:
    """The revision of a database, also of one that holds an unfinished copy.

    Raises what SQLAlchemy raises.
    """
    known, wanted = _revisions()
    found: str | None = None
    if connection.dialect.has_table(connection, _VERSION_TABLE):
        found = connection.scalar(text(f"SELECT version_num FROM {_VERSION_TABLE}"))  # noqa: S608 (a constant)
    return State(found, wanted, is_newer=found is not None and found not in known)


def _revisions() -> tuple[set[str], str]:
    """All revisions of the chain, and the newest, read from its files.

    Importing Alembic for this would take 0.3 s at every start of a command.
    """
    links = [_LINKS.findall(file.read_text()) for file in (migrations_folder() / "versions").glob("*.py")]
    known = {name for found in links for kind, name in found if kind == "revision"}
    (newest,) = known - {name for found in links for kind, name in found if kind == "down_revision"}
    return known, newest


def upgrade(engine: Engine, *, to: str = "head") -> None:
    """Upgrade the database to revision *to* in one transaction.

    Several processes may call this at once: on PostgreSQL an advisory lock serialises them. Raises Unavailable: the
    database cannot be opened or refuses the changes.
    """
    from alembic import command  # noqa: PLC0415 (see _revisions)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    try:
        with engine.begin() as connection, without_limit(connection):
            if engine.dialect.name == "postgresql":
                connection.execute(_LOCK)
            config.attributes["connection"] = connection
            command.upgrade(config, to)
    except SQLAlchemyError as error:
        raise Unavailable(f"the database {place_of(engine.url)} cannot be migrated: {cause_of(error)}") from error
