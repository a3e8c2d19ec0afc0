"""Logging: one line for each decision, as JSON or as columns on a terminal; no secrets, no bodies.

An event is a name in snake_case with fields: ``message_accepted message_id=… agent=…``. Each line has
``event``, ``timestamp`` and ``level``; docs/operations.md lists all events and their fields.
"""

import logging
import sys
from typing import Any, Final, Literal, TextIO

import orjson
import structlog

from relay.log_stream import LineLogger, LogStream

_MAX_VALUE: Final = 500  # characters of a value; remote parties write some of them
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "exception": logging.ERROR,
    "critical": logging.CRITICAL,
}


class _Threshold:
    """The lowest level of lines that are written."""

    lowest = logging.INFO


class _Output:
    """The stream of this process's log, once it is configured."""

    stream: LogStream | None = None


_threshold: Final = _Threshold()
_output: Final = _Output()


def configure(
    *, form: Literal["console", "json"] | None, level: str, stream: TextIO | None = None, worker: int | None = None
) -> None:
    """Configure logging for this process; with *form* None a terminal gets columns, a file gets JSON.

    Each line of a *worker* has its number.
    """
    stream = stream or sys.stderr
    lowest = set_level(level)
    console = form == "console" or (form is None and stream.isatty())
    _output.stream = lines = LogStream(stream, on_resume=_tell_lost)
    # Libraries use the logging module; their warnings and errors are printed too.
    logging.basicConfig(level=max(lowest, logging.WARNING), stream=lines, format="%(name)s: %(message)s")
    for chatty in ("mail.log", "asyncio", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    structlog.configure(
        processors=[
            _dropped,
            structlog.contextvars.merge_contextvars,
            *([] if worker is None else [_of_worker(worker)]),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _bounded,
            structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(serializer=_serialised),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),  # _dropped decides: the level can change
        logger_factory=lambda *_: LineLogger(lines),
        cache_logger_on_first_use=True,
    )


def set_level(level: str) -> int:
    """Write lines from *level* on, such as ``info``; from the next line, also of loggers that exist already."""
    _threshold.lowest = logging.getLevelNamesMapping()[level.upper()]
    return _threshold.lowest


def lost_lines() -> int:
    """Lines that could not be written since the log was configured."""
    return _output.stream.lost if _output.stream is not None else 0


def _tell_lost(count: int) -> None:
    log: Any = structlog.get_logger("relay.log")
    log.warning("log_lines_lost", count=count)


def _dropped(_logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Drop a line below the level."""
    if _LEVELS[method] < _threshold.lowest:
        raise structlog.DropEvent
    return event


def _of_worker(number: int) -> structlog.typing.Processor:
    def add_worker(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """Add the number of the worker that writes the line."""
        event["worker"] = number
        return event

    return add_worker


def _bounded(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Truncate long values."""
    for name, value in event.items():
        if isinstance(value, str) and len(value) > _MAX_VALUE and name != "exception":
            event[name] = value[:_MAX_VALUE] + "…"
    return event


def _serialised(value: Any, **_: Any) -> str:
    return orjson.dumps(value, default=str).decode()
