"""Who is at work on a data directory: any number side by side, or one command that has it to itself.

The locks are the kernel's (flock) on files that stay: they end with the process that holds them,
however that ends, so nothing has to be cleaned up after a kill.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from relay.errors import DaemonRuns, Misconfigured

_LOCK_FILE: Final = "mailseal.lock"
_PRESENCE_FILE: Final = "mailseal.present"


@contextmanager
def shared_lock(data_dir: Path) -> Iterator[None]:
    """The data directory in use, beside any number of others: by a daemon from start to stop, by a command.

    The directory is made when it is missing. Raises DaemonRuns while a command has it alone, Misconfigured
    when it cannot be locked.
    """
    complaint = f"the store of {data_dir} is being moved: try again when that has ended"
    with _locked(data_dir, fcntl.LOCK_SH, complaint), _opened(data_dir, _PRESENCE_FILE) as presence:
        fcntl.flock(presence, fcntl.LOCK_SH)  # waits while somebody is in first(), which is not long
        yield


@contextmanager
def exclusive_lock(data_dir: Path) -> Iterator[None]:
    """The data directory for one command alone. Raises like running: DaemonRuns while anybody uses it."""
    with _locked(data_dir, fcntl.LOCK_EX, f"a daemon or a command is at work on {data_dir}: stop it first"):
        yield


@contextmanager
def sole_process(data_dir: Path) -> Iterator[bool]:
    """Whether nobody else is at work on the data directory; until the block ends nobody begins to be.

    Not to be held for long, nor over an await: others wait. Raises Misconfigured.
    """
    with _opened(data_dir, _PRESENCE_FILE) as presence:
        is_first = True
        try:
            fcntl.flock(presence, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # in use, or on a file system without locks
            is_first = False
        yield is_first


@contextmanager
def _locked(data_dir: Path, kind: int, complaint: str) -> Iterator[None]:
    with _opened(data_dir, _LOCK_FILE) as descriptor:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DaemonRuns(complaint) from None
        except OSError as error:
            raise Misconfigured(f"MAILSEAL_DATA_DIR: cannot lock {data_dir}: {error.strerror}") from error
        yield


@contextmanager
def _opened(data_dir: Path, name: str) -> Iterator[int]:
    descriptor = _open(data_dir, name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open(data_dir: Path, name: str) -> int:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"MAILSEAL_DATA_DIR: cannot make {data_dir}: {error.strerror}") from error
    try:
        # For reading alone, and readable: a command that the administrator runs first must not keep the daemon out.
        return os.open(data_dir / name, os.O_RDONLY | os.O_CREAT, 0o644)
    except OSError as error:
        raise Misconfigured(f"MAILSEAL_DATA_DIR: cannot open {data_dir / name}: {error.strerror}") from error
