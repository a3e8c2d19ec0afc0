"""The migration chain: which revision a database has, and bringing it to the newest.

One chain for both databases, forward only. It lies in ``alembic/`` of a checkout and inside the
package of an installed wheel; both places are looked at.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from store.errors import Unavailable

_HERE: Final = Path(__file__).resolve().parents[1]
UNFINISHED: Final = "mailseal_copy"  # a table that stands in a database while a store is being copied into it
_LOCK: Final = text("SELECT pg_advisory_xact_lock(7230911502)")  # any number, the same in every process


def migrations_folder() -> Path:
    """The folder of the chain. Raises Unavailable when the installation lacks it."""
    for folder in (_HERE / "_alembic", _HERE.parent / "alembic"):
        if (folder / "env.py").is_file():
            return folder
    raise Unavailable("the installation lacks its migration chain")


@dataclass(frozen=True, slots=True)
class State:
    """Where a database stands in the chain."""

    found: str | None  # its revision; None for an empty one
    wanted: str  # the newest this program knows
    is_newer: bool  # a later release made it: its rules let the release before go on working

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to do."""
        return self.found == self.wanted


def state(engine: Engine) -> State:
    """Where the database of *engine* stands. Raises Unavailable when it does not answer, or is half a store."""
    try:
        with engine.connect() as connection:
            found = read_state(connection)
            is_unfinished = engine.dialect.has_table(connection, UNFINISHED)
    except SQLAlchemyError as error:
        raise Unavailable("the database cannot be opened") from error
    if is_unfinished:
        raise Unavailable("it holds an unfinished copy: run `mailseal migrate-to` again")
    return found


def read_state(connection: Connection) -> State:
    """Where a database stands, be it half a store: for whoever copies one. Raises what SQLAlchemy raises."""
    script = ScriptDirectory(str(migrations_folder()))
    wanted = script.get_current_head()
    assert wanted is not None, "the chain has at least one revision"
    found = MigrationContext.configure(connection).get_current_revision()
    known = {revision.revision for revision in script.walk_revisions()}
    return State(found, wanted, is_newer=found is not None and found not in known)


def upgrade(engine: Engine, *, to: str = "head") -> None:
    """Bring the database to the newest revision in one transaction; several processes may try at once.

    Raises Unavailable when the database lets nothing be made.
    """
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(_LOCK)
            config.attributes["connection"] = connection
            command.upgrade(config, to)
    except SQLAlchemyError as error:
        raise Unavailable("the database cannot be migrated") from error
