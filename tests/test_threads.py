"""Large mails are worked on beside the loop, small ones on it."""

import threading

import pytest

from relay.threads import OFF_LOOP_BYTES, by_size


@pytest.mark.parametrize(("size", "beside"), [(0, False), (OFF_LOOP_BYTES, False), (OFF_LOOP_BYTES + 1, True)])
async def test_only_a_large_mail_leaves_the_loop(size, beside):
    worker = await by_size(size, threading.current_thread)

    assert beside is (worker is not threading.current_thread())


async def test_what_goes_wrong_beside_the_loop_is_raised_here():
    with pytest.raises(ZeroDivisionError):
        await by_size(OFF_LOOP_BYTES + 1, lambda: 1 // 0)
