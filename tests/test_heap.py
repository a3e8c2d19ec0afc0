"""The allocator gives back what large blocks took."""

import ctypes
import subprocess
import sys

import pytest

# Frees a block of 20 MB, which raises glibc's threshold for mapped blocks; then holds a small block above large ones.
_PROGRAM = """
import sys
from pathlib import Path
from relay.heap import keep_heap_small

def resident():
    words = [line.split() for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(words[0][1]) // 1024

if sys.argv[1] == "small":
    keep_heap_small()
del [b"x" * 20_000_000][:]
before = resident()
kept = []
for _ in range(20):
    large = [b"x" * 10_000_000 for _ in range(4)]
    kept.append(b"y" * 100_000)
    del large
print(resident() - before)
"""


def grown(mode: str) -> int:
    """Megabytes that a process holds after it has freed large blocks."""
    run = subprocess.run([sys.executable, "-c", _PROGRAM, mode], capture_output=True, text=True, check=True)
    return int(run.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_a_small_block_above_large_ones_does_not_keep_their_memory():
    assert grown("small") < 10
