"""Read the master key, and replace its file in the data directory.

The new key waits as ``secret.key.new`` until the store is encrypted under it; then it gets the name, and
the old key is kept as ``secret.key.before-TIME``. After an interruption exactly one of both opens the store.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from relay.settings import Settings, make_secret_file, master_secret, read_secret
from relay.signing.secrets import MasterKey, master_key
from store.database.sqlite_file import sync


def read_master(settings: Settings) -> MasterKey:
    """The master key of the settings, which decrypts stored secrets. Raises Misconfigured."""
    return master_key(master_secret(settings))


def pending_file(file: Path) -> Path:
    """Where the new key waits that is to replace the one in *file*."""
    return file.with_name(file.name + ".new")


def make_pending(file: Path) -> bytes:
    """The new key that is to replace the one in *file*; of an interrupted rotation, the one that waits already.

    Raises Misconfigured, OSError.
    """
    make_secret_file(pending_file(file))
    return read_secret(pending_file(file))


def put_pending_in_place(file: Path) -> Path:
    """Give the new key the name *file*; the old one is kept, under the name returned. Raises OSError."""
    modified = datetime.fromtimestamp(pending_file(file).stat().st_mtime, UTC)
    kept = file.with_name(f"{file.name}.before-{modified:%Y%m%dT%H%M%SZ}")
    if file.exists() and not kept.exists():
        os.link(file, kept)
    pending_file(file).replace(file)
    sync(file.parent)
    return kept


def finish_rotation(file: Path, *, is_own: Callable[[bytes], bool]) -> bool:
    """Complete a rotation that was interrupted, if the key that waits is the store's own; whether it is."""
    if not pending_file(file).exists() or not is_own(read_secret(pending_file(file))):
        return False
    put_pending_in_place(file)
    return True
