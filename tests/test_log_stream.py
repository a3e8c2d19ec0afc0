"""A log whose reader is gone or stuck holds up no work and raises no error."""

import io
import os
import threading
from pathlib import Path

import pytest

from relay.log_stream import LineLogger, LogStream


@pytest.fixture
def pipe():
    """The reading end's descriptor, and a stream for the writing end."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        yield reading, stream


def taken(reading: int) -> bytes:
    """What is in the pipe now."""
    os.set_blocking(reading, False)
    found = b""
    while True:
        try:
            piece = os.read(reading, 65_536)
        except BlockingIOError:
            return found
        if not piece:
            return found
        found += piece


def test_lines_of_a_closed_pipe_are_counted_and_lost(pipe):
    reading, stream = pipe
    os.close(reading)
    log = LogStream(stream)

    for _ in range(3):
        LineLogger(log).info("a line")

    assert 3 == log.lost


def test_a_stuck_reader_blocks_no_writer_and_hears_afterwards_how_many_lines_it_missed(pipe):
    reading, stream = pipe
    told = []
    log = LogStream(stream, on_resume=told.append)
    worker = threading.Thread(target=lambda: [log.write("x" * 999 + "\n") for _ in range(200)], daemon=True)
    worker.start()
    worker.join(60)
    assert not worker.is_alive()
    lost = log.lost
    written = taken(reading).count(b"\n")

    log.write("again\n")

    assert (200, [lost]) == (written + lost, told)
    assert taken(reading).endswith(b"again\n")
    os.close(reading)


def test_a_line_that_was_cut_ends_before_the_next_one(pipe):
    reading, stream = pipe
    log = LogStream(stream)
    log.write("y" * 200_000 + "\n")  # more than a pipe holds
    cut = taken(reading)

    log.write("whole\n")

    assert (1, True) == (log.lost, 0 < len(cut) < 200_000)
    assert b"\nwhole\n" == taken(reading)
    os.close(reading)


def test_a_full_disk_and_a_closed_stream_lose_lines_and_raise_nothing():
    with Path("/dev/full").open("w") as full:
        log = LogStream(full)
        log.write("a line\n")
    closed = LogStream(memory := io.StringIO())
    memory.close()
    closed.write("a line\n")

    assert (1, 1) == (log.lost, closed.lost)
