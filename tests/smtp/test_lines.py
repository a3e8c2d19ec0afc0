"""Lines of commands out of any pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.smtp.lines import Lines
from relay.smtp.replies import BAD_LINE_END, LINE_TOO_LONG, NOT_SMTP
from tests.cost import SECOND, cost


@given(lines=st.lists(st.sampled_from([b"", b"NOOP", b"EHLO a b", b"x" * 28])), size=st.integers(1, 40))
def test_lines_come_whole_and_in_order_whatever_the_pieces(lines, size):
    stream = b"".join(line + b"\r\n" for line in lines) + b"part"
    reader, got = Lines(30), []
    for at in range(0, len(stream), size):
        reader.feed(stream[at : at + size])
        while (line := reader.next()) is not None:
            got.append(line)

    assert lines == got
    assert b"part" == reader.take()


@pytest.mark.parametrize("stream", [b"\n", b"NOOP\n", b"NO\rOP\r\n", b"NOOP\r\r\n", b"\r\r\n", b"A\nB\r\n"])
def test_a_bare_line_end_is_no_command(stream):
    lines = Lines(100)
    lines.feed(stream)

    assert BAD_LINE_END == lines.next()


def test_a_bare_line_end_behind_a_good_line_is_seen():
    lines = Lines(100)
    lines.feed(b"NOOP\r\n\nNOOP\r\n")

    assert b"NOOP" == lines.next()
    assert BAD_LINE_END == lines.next()


def test_the_limit_holds_with_and_without_a_line_end():
    for stream, expected in (
        (b"x" * 8 + b"\r\n", b"x" * 8),
        (b"x" * 9 + b"\r\n", LINE_TOO_LONG),
        (b"x" * 9, None),
        (b"x" * 10, LINE_TOO_LONG),
    ):
        lines = Lines(10)
        lines.feed(stream)
        assert expected == lines.next()


@pytest.mark.parametrize("octet", [b"\x16", b"\0", b"\x80", b"\xff", b"\x7f"])
def test_what_cannot_start_a_command_is_told_before_the_line_ends(octet):
    lines = Lines(100)
    lines.feed(octet)

    assert NOT_SMTP == lines.next()


def test_what_was_taken_is_gone():
    lines = Lines(100)
    lines.feed(b"DATA\r\nbody")

    assert b"DATA" == lines.next()
    assert b"body" == lines.take()
    assert b"" == lines.take()
    assert lines.next() is None


def test_many_lines_in_one_piece_are_linear():
    lines = Lines(100)
    lines.feed(b"NOOP\r\n" * 200_000)

    def read_all():
        for _ in range(200_000):
            assert lines.next() == b"NOOP"

    assert cost(read_all, rounds=1) < 2 * SECOND
