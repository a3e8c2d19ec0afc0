"""One line a decision: JSON for machines, columns for a terminal; never a secret, never a body.

Events are past-tense words with named values (``accepted message_id=… agent=…``). Whatever reads
the log can rely on ``event``, ``timestamp`` and ``level``.
"""

import logging
import sys
from typing import Any, Final, Literal, TextIO

import orjson
import structlog

_MAX_VALUE: Final = 500  # characters of any one value: a stranger writes some of them


class _Threshold:
    """The lowest level of lines that are written."""

    lowest = logging.INFO


_threshold: Final = _Threshold()


def configure(*, form: Literal["console", "json"] | None, level: str, stream: TextIO | None = None) -> None:
    """Set logging up for this process; *form* None chooses by whether *stream* is a terminal."""
    stream = stream or sys.stderr
    lowest = set_level(level)
    console = form == "console" or (form is None and stream.isatty())
    # Libraries speak through logging; only what they find worrying is worth a line of ours.
    logging.basicConfig(level=max(lowest, logging.WARNING), stream=stream, format="%(name)s: %(message)s")
    for chatty in ("mail.log", "asyncio", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    structlog.configure(
        processors=[
            _dropped,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _bounded,
            structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(serializer=_serialised),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),  # _dropped decides: the level can change
        logger_factory=structlog.PrintLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )


def set_level(level: str) -> int:
    """Write lines from *level* on, such as ``info``; from the next line, also of loggers that exist already."""
    _threshold.lowest = logging.getLevelNamesMapping()[level.upper()]
    return _threshold.lowest


def _dropped(_logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Drop a line below the level."""
    if logging.getLevelNamesMapping()[method.upper()] < _threshold.lowest:
        raise structlog.DropEvent
    return event


def _bounded(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Cut long values short: a log line is for reading."""
    for name, value in event.items():
        if isinstance(value, str) and len(value) > _MAX_VALUE and name != "exception":
            event[name] = value[:_MAX_VALUE] + "…"
    return event


def _serialised(value: Any, **_: Any) -> str:
    return orjson.dumps(value, default=str).decode()
