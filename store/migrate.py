"""The migration chain: which revision a database has, and bringing it to the newest.

One chain for both databases, forward only. It lies in ``alembic/`` of a checkout and inside the
package of an installed wheel; both places are looked at.
"""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from store.errors import Unavailable

_HERE: Final = Path(__file__).resolve().parent
_LOCK: Final = text("SELECT pg_advisory_xact_lock(7230911502)")  # any number, the same in every process


def chain() -> Path:
    """The folder of the chain. Raises Unavailable when the installation lacks it."""
    for folder in (_HERE / "_alembic", _HERE.parent / "alembic"):
        if (folder / "env.py").is_file():
            return folder
    raise Unavailable("the installation lacks its migration chain")


def head() -> str:
    """The newest revision this program knows."""
    newest = ScriptDirectory(str(chain())).get_current_head()
    assert newest is not None, "the chain has at least one revision"
    return newest


def current(engine: Engine) -> str | None:
    """The database's revision; None for an empty one."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest revision in one transaction; several processes may try at once."""
    config = Config()
    config.set_main_option("script_location", str(chain()).replace("%", "%%"))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(_LOCK)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
