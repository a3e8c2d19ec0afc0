"""Give memory back to the system after large mails and requests.

glibc raises the size from which a block is mapped on its own, and given back when it is freed, to the largest block
that was freed so far (mallopt(3), M_MMAP_THRESHOLD). After one large mail, all large blocks come from the heap, and
with several threads from several heaps, which keep what they once had. Fixed values end both.
"""

import ctypes
from typing import Final

_TRIM_THRESHOLD: Final = -1  # the parameters' numbers in glibc's malloc.h
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
_LARGE_BYTES: Final = 256 * 1024
_SPARE_BYTES: Final = 4 * 1024 * 1024
_ARENAS: Final = 2


def keep_heap_small() -> bool:
    """Fix the thresholds of this process's allocator; False where it is not glibc's, which has none."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    wanted = {_MMAP_THRESHOLD: _LARGE_BYTES, _TRIM_THRESHOLD: _SPARE_BYTES, _ARENA_MAX: _ARENAS}
    done = [mallopt(name, value) for name, value in wanted.items()]
    return all(done)
