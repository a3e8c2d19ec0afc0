"""Commands of ``mailseal`` as processes that are forked from one that has imported the program: quick to start.

Each runs the whole command with an environment and a standard error of its own. What makes up a start anew, imports and
their order, is tested where the program is started as a user starts it.
"""

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from multiprocessing import get_context, reduction
from typing import Any

_RIGHTS = (1, 2, 10)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_NET_BIND_SERVICE
_CONTEXT = get_context("forkserver")


class _Descriptor:
    """A file descriptor on its way to another process, where it is a number."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> Any:
        return _received, (reduction.DupFd(self._number),)


class Forked:
    """One command as a process, with the part of subprocess.Popen that a test uses."""

    def __init__(self, arguments: Sequence[str], *, env: Mapping[str, str], has_rights: bool = True) -> None:
        """Without *has_rights* modes of files and low ports hold for the process, also if root runs the tests."""
        _CONTEXT.set_forkserver_preload(["tests.forked_imports"])
        reading, writing = os.pipe()
        given = ([*arguments], dict(env), has_rights, _Descriptor(writing))
        self._process = _CONTEXT.Process(target=_run, args=given, daemon=True)
        self._process.start()
        os.close(writing)
        self.stderr = os.fdopen(reading)
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def wait(self, seconds: float) -> int:
        """The exit status, or the negative number of the signal that ended it."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("mailseal", seconds)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.send_signal(signal.SIGKILL)


def _received(descriptor: Any) -> Any:
    return descriptor.detach()


def _run(arguments: Sequence[str], env: Mapping[str, str], has_rights: bool, stderr: int) -> None:  # noqa: FBT001
    from relay.cli.main import main

    os.dup2(stderr, 2)
    os.close(stderr)
    os.environ.clear()
    os.environ |= env
    if not has_rights:
        _drop_rights()
    main([*arguments], prog_name="mailseal")


def _drop_rights() -> None:
    """Give up _RIGHTS (capset(2)); no effect for a user who has none."""
    library = ctypes.CDLL(None)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable: of rights 0 to 31, then of the others
    library.capget(header, sets)
    for at in range(3):
        for right in _RIGHTS:
            sets[at] &= ~(1 << right)
    library.capset(header, sets)
