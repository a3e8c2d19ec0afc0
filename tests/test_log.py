"""The log: a line an event, that a machine can read and nobody can flood."""

import io
import json
import logging
from datetime import datetime

import pytest
import structlog

from relay import log
from store.errors import Unavailable
from store.mail.bodies import keep_body
from tests.broken_store import lose_table


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def configured():
    """Sets the log up over a stream; afterwards all is as before."""
    levels = {name: logging.getLogger(name).level for name in ("mail.log", "asyncio", "uvicorn")}
    before = structlog.get_config()

    def on(stream=None, *, form="json", level="info"):
        stream = stream or io.StringIO()
        log.configure(form=form, level=level, stream=stream)
        return stream, structlog.get_logger("test")

    yield on
    structlog.configure(**before)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_event_time_and_level(configured):
    stream, logger = configured()

    logger.info("message_accepted", message_id="msg_1", size=7)

    (line,) = lines(stream)
    assert datetime.fromisoformat(line.pop("timestamp")).utcoffset().total_seconds() == 0
    assert {"event": "message_accepted", "level": "info", "message_id": "msg_1", "size": 7} == line


@pytest.mark.parametrize(("length", "kept"), [(500, 500), (501, 501), (100_000, 501)])
def test_a_long_value_is_cut(configured, length, kept):
    stream, logger = configured()

    logger.info("message_accepted", mail_from="x" * length)

    (line,) = lines(stream)
    assert (kept, length > 500) == (len(line["mail_from"]), line["mail_from"].endswith("…"))


def test_a_long_event_is_cut(configured):
    stream, logger = configured()

    logger.info("x" * 1000)

    assert 501 == len(lines(stream)[0]["event"])


def test_a_value_with_line_ends_is_one_line(configured):
    stream, logger = configured()

    logger.info("message_accepted", helo='a\r\n{"event": "forged"}')

    assert 1 == len(lines(stream))


def test_what_json_cannot_hold_is_written_as_text(configured):
    stream, logger = configured()

    logger.info("message_accepted", what=pytest, raw=b"\xff")

    assert "b'\\xff'" == lines(stream)[0]["raw"]


@pytest.mark.parametrize(
    ("level", "events"),
    [("debug", ["d", "i", "w", "e"]), ("info", ["i", "w", "e"]), ("warning", ["w", "e"]), ("error", ["e"])],
)
def test_a_level_leaves_out_what_is_below_it(configured, level, events):
    stream, logger = configured(level=level)

    logger.debug("d")
    logger.info("i")
    logger.warning("w")
    logger.error("e")

    assert events == [line["event"] for line in lines(stream)]


def test_a_failure_is_told_with_its_exception(configured):
    stream, logger = configured()
    error = ValueError("what went wrong")

    logger.error("request_failed", exc_info=error)

    assert "ValueError: what went wrong" in lines(stream)[0]["exception"]


def test_a_failure_of_the_database_tells_no_value_that_was_written(configured, store, clock):
    stream, logger = configured()
    lose_table(store, "bodies")
    content = bytes(reversed(b"hsifdrows"))  # a traceback shows the lines of this file, too

    with pytest.raises(Unavailable) as raised:
        store.run(lambda tx: keep_body(tx, "0" * 64, size=9, content=content, now=clock.now()))
    logger.error("keeping failed", exc_info=raised.value)

    (line,) = lines(stream)
    assert (True, False) == ("INSERT INTO bodies" in line["exception"], "swordfish" in stream.getvalue())


@pytest.mark.parametrize(
    ("stream", "form", "is_json"),
    [(io.StringIO, None, True), (Terminal, None, False), (Terminal, "json", True), (io.StringIO, "console", False)],
)
def test_a_terminal_gets_columns_and_a_pipe_gets_json_unless_told_otherwise(configured, stream, form, is_json):
    written, logger = configured(stream(), form=form)

    logger.info("message_accepted")

    assert is_json == written.getvalue().startswith("{")


def test_the_level_can_change_for_loggers_that_have_written_already(configured):
    stream, logger = configured(level="warning")
    logger.warning("message_refused")
    logger.info("message_accepted")
    log.set_level("debug")
    logger.debug("session_ended")

    assert ["message_refused", "session_ended"] == [line["event"] for line in lines(stream)]
