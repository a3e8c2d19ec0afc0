"""A small disk of its own for a store, which can be full and read-only. Needs root and Linux's loop devices."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SIZE = 256 * 1024 * 1024
_FILLER = "filler"
_BLOCK = 4096
_LAST = 512 * _BLOCK  # filled block by block: the file system takes some for itself


class Disk:
    """A mounted ext4 file system."""

    def __init__(self, place: Path) -> None:
        self.place = place

    @contextmanager
    def full(self, room: int) -> Iterator[None]:
        """Only *room* bytes are free meanwhile."""
        filler = self.place / _FILLER
        try:
            self._fill(filler, room)
            yield
        finally:
            filler.unlink()

    def _fill(self, filler: Path, room: int) -> None:
        most = shutil.disk_usage(self.place).free - room - _LAST
        with filler.open("wb", buffering=0) as file, suppress(OSError):  # no space left on device
            os.posix_fallocate(file.fileno(), 0, max(1, most))
            file.seek(0, os.SEEK_END)
            while shutil.disk_usage(self.place).free > room:
                file.write(bytes(_BLOCK))

    @contextmanager
    def read_only(self, folder: Path) -> Iterator[None]:
        """No file of *folder* can be written, nor made, also not by a process that has it open."""
        # Not remounted: the kernel refuses that while a file is open for writing. An immutable file refuses writes to
        # descriptors that were opened before, as a disk does whose file system the kernel has stopped.
        places = [str(each) for each in folder.iterdir() if each.is_file() and not each.name.endswith("-shm")]
        places.append(str(folder))
        _run("chattr", "+i", *places)
        try:
            yield
        finally:
            _run("chattr", "-i", *places)


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk | None]:
    """A disk mounted below *folder*, gone afterwards; None where this machine cannot mount one."""
    image, place = folder / "disk.img", folder / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(SIZE)
    try:
        _run("mkfs.ext4", "-q", "-m", "0", str(image))
        _run("mount", "-o", "loop", str(image), str(place))
    except (OSError, subprocess.CalledProcessError):
        yield None
        return
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)
        image.unlink()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
