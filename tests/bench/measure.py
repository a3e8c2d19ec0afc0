"""What a server costs: CPU, memory and fsyncs of a process and its children, read from outside."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from shutil import which
from typing import Final, Self

_TICK: Final = os.sysconf("SC_CLK_TCK")  # per second
_PARENT, _UTIME, _CHILDREN_STIME = 1, 11, 14  # fields of /proc/PID/stat after the command's name
_ATTACH_SECONDS: Final = 5


def tree(root: int) -> list[int]:
    """*root* and every living process below it."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            below.setdefault(int(stat[_PARENT]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(below.get(pid, ()))
    return found


def cpu_seconds(root: int) -> float:
    """User and system time of the whole tree, children that have ended and been waited for included."""
    ticks = 0
    for pid in tree(root):
        if stat := _stat(pid):
            ticks += sum(int(field) for field in stat[_UTIME : _CHILDREN_STIME + 1])
    return ticks / _TICK


def core_waits(pid: int) -> float:
    """Seconds that the main thread of a process was ready to run and had no core (proc(5), schedstat)."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1]) / 1e9


def resident(pids: Sequence[int]) -> int:
    """Bytes of memory the processes hold now, the sum of VmRSS; pages they share count for each."""
    return sum(_status(pid, "VmRSS") for pid in pids)


def peak(pids: Sequence[int]) -> int:
    """Bytes they held at most since reset_peak, the sum of VmHWM: an upper bound, as peaks need not coincide."""
    return sum(_status(pid, "VmHWM") for pid in pids)


def reset_peak(pids: Sequence[int]) -> None:
    """Let VmHWM start again from what is held now (proc(5), clear_refs)."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def written_bytes(root: int) -> int:
    """Bytes the tree has had written to disk, from /proc/PID/io; of its own user or root only."""
    total = 0
    for pid in tree(root):
        for line in Path(f"/proc/{pid}/io").read_text().splitlines():
            if line.startswith("write_bytes:"):
                total += int(line.split()[1])
    return total


class FsyncCount:
    """Counts fsync and fdatasync of a process tree by strace while it is entered; ``calls`` after that.

    It slows the traced process at each such call, so nothing else is measured meanwhile.
    Raises RuntimeError when strace is absent or may not attach.
    """

    def __init__(self, root: int) -> None:
        if which("strace") is None:
            raise RuntimeError("strace is not installed")
        self._root = root
        self.calls = 0

    def __enter__(self) -> Self:
        self._out = tempfile.NamedTemporaryFile(prefix="fsyncs-")
        attach = [argument for pid in tree(self._root) for argument in ("-p", str(pid))]
        command = ["strace", "-f", "-c", "-e", "trace=fsync,fdatasync", "-o", self._out.name, *attach]
        self._strace = subprocess.Popen(command, stderr=subprocess.PIPE)
        self._await_attached()
        return self

    def __exit__(self, *_: object) -> None:
        self._strace.send_signal(signal.SIGINT)
        try:
            self._strace.wait(_ATTACH_SECONDS)
        except subprocess.TimeoutExpired:
            self._strace.kill()
            self._strace.wait()
        self.calls = _total_calls(Path(self._out.name).read_text())
        self._out.close()
        self._strace.stderr.close()

    def _await_attached(self) -> None:
        """Until the kernel says somebody traces the root process."""
        end = time.monotonic() + _ATTACH_SECONDS
        while time.monotonic() < end and self._strace.poll() is None:
            if _status(self._root, "TracerPid") > 0:
                time.sleep(0.2)
                return
            time.sleep(0.02)
        self._strace.kill()
        _, complaint = self._strace.communicate()
        self._out.close()
        raise RuntimeError(f"strace did not attach: {complaint.decode().strip()}")


def _total_calls(summary: str) -> int:
    """The calls column of strace's summary: ``% time  seconds  usecs/call  calls  [errors]  syscall``."""
    rows = (line.split() for line in summary.splitlines())
    return sum(int(row[3]) for row in rows if row and row[-1] in ("fsync", "fdatasync"))


def _stat(pid: int) -> list[str]:
    """The fields after the name, which may hold spaces; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return []


def _status(pid: int, field: str) -> int:
    """A number of /proc/PID/status; memory in bytes, 0 when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    for line in lines:
        if line.startswith(f"{field}:"):
            words = line.split()
            return int(words[1]) * (1024 if words[-1] == "kB" else 1)
    return 0
