"""The number of cores that this process may use: its CPU affinity, and the quota of its control group."""

import os
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import Final

_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")  # "MAX PERIOD" in microseconds; MAX is "max" without a quota


def usable_cores(quota: Path = _QUOTA) -> int:
    """Cores that may be used at the same time, at least 1; a part of a core counts as one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    with suppress(OSError, ValueError, ZeroDivisionError):  # no control group, or no quota
        most, period = quota.read_text().split()
        cores = min(cores, ceil(int(most) / int(period)))
    return max(1, cores)
