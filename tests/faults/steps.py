"""End a daemon with SIGKILL at a named step of its work with the database.

Runs inside of the daemon's process. The step is read from a file, so that a running daemon can be armed; the daemon
that comes to the step first removes the file, so that of several on one database one dies. SQLAlchemy's own events
tell of statements and commits; nothing of the relay is changed.
"""

import os
import re
import signal
from pathlib import Path
from typing import Any, Final

WORK: Final = {
    "a mail": re.compile(r"INSERT INTO received_digests"),
    "bytes of a long mail": re.compile(r"INSERT INTO body_chunks"),
    "a claim of deliveries": re.compile(r"UPDATE deliveries SET .*claims"),
    "a made delivery": re.compile(r"UPDATE deliveries SET status"),
    "a lease": re.compile(r"UPDATE messages SET .*leases"),
    "an ack": re.compile(r"UPDATE messages SET status=\S+, queued"),
    "a message to send": re.compile(r"INSERT INTO outbound "),
    "a claim to send": re.compile(r"INSERT INTO send_attempts"),
    "a made send": re.compile(r"UPDATE send_attempts"),
}
MOMENTS: Final = ("in the transaction of", "before the commit of", "after the commit of")
INNER_STEPS: Final = tuple(f"{moment} {work}" for work in WORK for moment in MOMENTS)


def install(armed: Path) -> None:
    """Watch all engines of this process for the step that the file *armed* names."""
    from sqlalchemy import Engine, event

    def after_cursor_execute(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        work = _work(statement)
        if work is not None:
            connection.info.setdefault("work", set()).add(work)
            _die_at(armed, f"in the transaction of {work}")

    def commit(connection: Any) -> None:
        for work in connection.info.pop("work", ()):
            _die_at(armed, f"before the commit of {work}")
            if _is_armed(armed, f"after the commit of {work}"):
                connection.connection.dbapi_connection.commit()
                _die_at(armed, f"after the commit of {work}")

    def rollback(connection: Any) -> None:
        connection.info.pop("work", None)

    event.listen(Engine, "after_cursor_execute", after_cursor_execute)
    event.listen(Engine, "commit", commit)
    event.listen(Engine, "rollback", rollback)


def _work(statement: str) -> str | None:
    return next((work for work, form in WORK.items() if form.search(statement)), None)


def _is_armed(armed: Path, step: str) -> bool:
    try:
        return armed.read_text() == step
    except FileNotFoundError:
        return False


def _die_at(armed: Path, step: str) -> None:
    if not _is_armed(armed, step):
        return
    try:
        armed.unlink()
    except FileNotFoundError:  # another daemon was there first
        return
    os.kill(os.getpid(), signal.SIGKILL)
