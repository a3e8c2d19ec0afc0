"""Check the data directory: mode and owner, the master key, the spool, free space and inodes."""

import os
import stat
from pathlib import Path
from typing import Final

from relay.finding import Finding, failing, ok, skipped, warning
from relay.settings import Settings
from relay.spool import spool_fault

LOW_BYTES: Final = 1024**3
NO_BYTES: Final = 128 * 1024**2
LOW_FILES: Final = 10_000
NO_FILES: Final = 500
_KEY: Final = "Put the key back from its backup: `mailseal init` makes one only for a store without secrets."
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def check_data_dir(settings: Settings) -> list[Finding]:
    """Check the modes of the directory and the master key, files left in the spool, and free space."""
    place = settings.data_dir
    if not place.is_dir():
        return [failing("data directory", f"there is no {place}", "Run `mailseal init`, or set MAILSEAL_DATA_DIR.")]
    return [_mode(place), _secret(settings), _spool(settings.spool_dir), *_room(place, settings.min_free_bytes)]


def _mode(place: Path) -> Finding:
    mode = stat.S_IMODE(place.stat().st_mode)
    if mode & _OTHERS:
        return warning(
            "data directory", f"{place} has mode {mode:04o}", f"chmod 700 {place}: it holds the mail of all users."
        )
    if not os.access(place, os.W_OK | os.X_OK):
        return failing("data directory", f"{place} cannot be written", "Run this, and the daemon, as its owner.")
    return ok("data directory", f"{place}, mode {mode:04o}")


def _secret(settings: Settings) -> Finding:
    if settings.secret_key is not None:
        return ok("master key", "MAILSEAL_SECRET_KEY is set")
    file = Path(settings.secret_place)
    if not file.exists():
        return failing("master key", f"there is no {file}", _KEY)
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & stat.S_IRWXO or mode & stat.S_IWGRP:
        return failing("master key", f"{file} has mode {mode:04o}", f"chmod 600 {file}: it opens every agent's secret.")
    return ok("master key", f"{file}, mode {mode:04o}")


def _spool(place: Path) -> Finding:
    if not place.exists():
        return ok("spool", "empty")
    if fault := spool_fault(place):
        remedy = "Make it a folder of the daemon's user: mails over 256 KiB are buffered there, and get 452 meanwhile."
        return failing("spool", fault, remedy)
    left = sum(1 for _ in os.scandir(place))
    if left:
        return warning("spool", f"{left} files in {place}", "Arriving messages have no name there: remove these.")
    return ok("spool", "empty")


def _room(place: Path, least: int) -> list[Finding]:
    room = os.statvfs(place)
    free = room.f_bavail * room.f_frsize
    remedy = f"Free space on the file system of {place}: when it is full, mail is answered 451."
    found = [_judged("disk", free, f"{free // 1024**2} MiB free", LOW_BYTES, max(NO_BYTES, least), remedy)]
    if room.f_files == 0:  # a file system that makes inodes on demand
        return [*found, skipped("inodes", "the file system does not count them")]
    files = room.f_favail
    return [*found, _judged("inodes", files, f"{files} free", LOW_FILES, NO_FILES, remedy)]


def _judged(name: str, amount: int, seen: str, low: int, least: int, remedy: str) -> Finding:  # noqa: PLR0917
    if amount < least:
        return failing(name, seen, remedy)
    return warning(name, seen, remedy) if amount < low else ok(name, seen)
