"""Bare line ends beside a dot end the session, wherever the network splits the octets."""

import pytest

from relay.smtp.data import DataFault, DotReceiver

FAKE_ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\rx", b"\r.\r", b"a\n.b", b"a.\nb"]
HARMLESS = [b"end.\r\nnext", b"\r\n..\r\n", b"a.b", b"\r\n.x\r\n"]


def receive(octets, size):
    receiver = DotReceiver(max_bytes=10_000, max_line=1000)
    stream = b"Subject: x\r\n\r\n" + octets + b"more\r\n.\r\n"
    for at in range(0, len(stream), size):
        receiver.feed(stream[at : at + size])
        if receiver.done:
            break
    return receiver


@pytest.mark.parametrize("octets", FAKE_ENDS)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_a_bare_line_end_beside_a_dot_is_seen(octets, size):
    receiver = receive(octets, size)
    assert DataFault.BARE_LINE_END is receiver.fault
    assert receiver.smuggles


@pytest.mark.parametrize("octets", FAKE_ENDS)
def test_one_behind_another_fault_is_seen_too(octets):
    assert receive(b"x\0y\r\n" + b"z" * 50 + octets, 7).smuggles


@pytest.mark.parametrize("octets", [*HARMLESS, b"a\nb", b"a\rb"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_other_octets_leave_the_session_open(octets, size):
    receiver = receive(octets, size)
    assert not receiver.smuggles
    assert (receiver.fault is None) is (octets in HARMLESS)
