"""Notice when the file of a SQLite store is removed or replaced while a process has it open.

SQLite goes on writing to a file without a name, and all that is written there is lost with the process.
"""

import os
from pathlib import Path

from store.errors import Unavailable


class PresentFile:
    """The file under its name, compared at each transaction with the one that was opened first."""

    def __init__(self, file: Path) -> None:
        self._file = os.fspath(file)
        self._opened: tuple[int, int] | None = None  # device and inode; None until the file is there

    def require(self) -> None:
        """Raise Unavailable: the file is gone, or another one has its name."""
        try:
            found = os.stat(self._file)  # noqa: PTH116 (at each transaction: Path.stat takes twice the time)
        except OSError as error:
            if self._opened is None:
                return  # SQLite makes it, or says why it cannot
            raise Unavailable(f"the store {self._file} is gone: {error.strerror}") from error
        identity = (found.st_dev, found.st_ino)
        if self._opened is None:
            self._opened = identity
        elif identity != self._opened:
            raise Unavailable(f"the store {self._file} was replaced by another file: start the daemon again")
