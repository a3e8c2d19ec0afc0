"""What is written in one turn of the loop leaves in one write, in order, and before the connection ends."""

import asyncio

from relay.web.http.joined_writes import JoinedWrites


class Wire:
    """The calls that reach a transport."""

    def __init__(self):
        self.calls = []
        self.closed = False

    def write(self, data):
        self.calls.append(data)

    def write_eof(self):
        self.calls.append("eof")

    def close(self):
        self.closed = True
        self.calls.append("close")

    def is_closing(self):
        return self.closed

    def get_write_buffer_size(self):
        return 7


def joined():
    wire = Wire()
    return JoinedWrites(wire, asyncio.get_running_loop()), wire


async def test_a_head_and_its_body_are_one_write():
    writes, wire = joined()
    for part in (b"head ", b"", b"body"):
        writes.write(part)
    assert (16, []) == (writes.get_write_buffer_size(), wire.calls)
    await asyncio.sleep(0)
    writes.write(b"next")
    await asyncio.sleep(0)

    assert [b"head body", b"next"] == wire.calls
    assert 7 == writes.get_write_buffer_size()


async def test_long_parts_do_not_wait():
    writes, wire = joined()
    writes.write(b"head")
    writes.write(b"x" * 20_000)

    assert [b"head" + b"x" * 20_000] == wire.calls


async def test_all_is_sent_before_the_end():
    writes, wire = joined()
    writes.write(b"last")
    writes.write_eof()
    writes.write(b"more")
    writes.close()
    writes.write(b"late")
    await asyncio.sleep(0)

    assert [b"last", "eof", b"more", "close"] == wire.calls
    assert writes.is_closing()
