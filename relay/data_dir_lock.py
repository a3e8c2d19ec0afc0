"""Locks on the data directory: shared by processes, or exclusive for one command.

The locks are the kernel's (flock), on files that are never deleted: they end with the process that holds them,
however it ends, so no cleanup is needed after a kill.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from relay.errors import DaemonRuns, Misconfigured

_LOCK_FILE: Final = "mailseal.lock"
_PRESENCE_FILE: Final = "mailseal.present"


@contextmanager
def shared_lock(data_dir: Path) -> Iterator[None]:
    """Share the data directory with other processes: by a daemon, or by a command.

    Creates the directory if it is missing. Raises DaemonRuns: a command holds it exclusively. Raises Misconfigured: it
    cannot be locked.
    """
    complaint = f"the store of {data_dir} is being moved: try again when the move has ended"
    with _locked(data_dir, fcntl.LOCK_SH, complaint), _opened(data_dir, _PRESENCE_FILE) as presence:
        fcntl.flock(presence, fcntl.LOCK_SH)  # waits while another process is in sole_process(), which is short
        yield


@contextmanager
def exclusive_lock(data_dir: Path) -> Iterator[None]:
    """Use the data directory alone.

    Raises DaemonRuns: another process uses it. Raises Misconfigured: it cannot be locked.
    """
    with _locked(data_dir, fcntl.LOCK_EX, f"a daemon or a command uses {data_dir}: stop it first"):
        yield


@contextmanager
def sole_process(data_dir: Path) -> Iterator[bool]:
    """Whether no other process uses the data directory; blocks new ones meanwhile.

    Do not hold it for long or across an await: other processes wait. Raises Misconfigured.
    """
    with _opened(data_dir, _PRESENCE_FILE) as presence:
        is_first = True
        try:
            fcntl.flock(presence, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # in use, or a file system without locks
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
        raise Misconfigured(f"MAILSEAL_DATA_DIR: cannot create {data_dir}: {error.strerror}") from error
    try:
        return _open_for_all(data_dir / name)
    except OSError as error:
        raise Misconfigured(f"MAILSEAL_DATA_DIR: cannot open {data_dir / name}: {error.strerror}") from error


def _open_for_all(path: Path) -> int:
    """Open *path* read-only, world-readable at any umask: a file made by root must not lock out the daemon."""
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
        with suppress(OSError):  # another process made it meanwhile
            os.fchmod(descriptor, 0o644)
        return descriptor
