"""Write what holds mail into a file that its owner alone can read."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from relay.errors import Refused


@contextmanager
def private_file(path: Path | None) -> Iterator[BinaryIO]:
    """A new file *path* with mode 0600, removed again after an error; standard output for None and ``-``.

    Raises Refused: it exists already, or cannot be written.
    """
    if path is None or str(path) == "-":
        yield sys.stdout.buffer
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Refused(f"{path} exists already: choose another name") from error
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise
