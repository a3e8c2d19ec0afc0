"""Bounds on what a JSON body consists of, checked before objects are made of it.

A body of ten megabytes is legitimate as a few long strings; as a million small values it becomes a gigabyte of
objects. Commas outside of strings separate the values, so that their number bounds that of the objects.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from relay.threads import by_size

MAX_COMMAS: Final = 5000  # outside of strings
MAX_FIELDS: Final = 64  # of one object
_MAX_QUOTES: Final = 4 * (MAX_COMMAS + 2)  # at most two strings to each comma, and two quotes to a string
_PIECE: Final = 65_536  # bytes scanned at a time: other threads run in between


class TooManyValues(RequestValidationError):
    """A body consists of more values than any request needs."""


async def parsed_json(body: bytes, *, is_json: bool) -> Any:
    """The value of *body*; None without parsing it unless *is_json*.

    Raises TooManyValues, RequestValidationError for malformed JSON, HTTPException 400 for a body that cannot be
    decoded.
    """
    work = _parsed if is_json else require_few_values
    return await by_size(len(body), lambda: work(body))


def _parsed(body: bytes) -> Any:
    require_few_values(body)
    try:
        value = json.loads(body)
    except json.JSONDecodeError as error:
        fault = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "JSON decode error", "input": {}}
        raise RequestValidationError([fault | {"ctx": {"error": error.msg}}]) from None
    except (ValueError, RecursionError):  # no UTF-8, a number of thousands of digits, or lists in lists without end
        raise HTTPException(400) from None
    _require_few_fields(value)
    return value


def require_few_values(body: bytes) -> None:
    """Raise TooManyValues if *body* has too many values, HTTPException 400 if it is no UTF-8."""
    if b"\0" in body:  # UTF-16 or UTF-32, in which commas and quotes cannot be told by their bytes
        raise HTTPException(400)
    if body.count(b",") > MAX_COMMAS and _has_many_commas(body):
        raise _invalid((), f"at most {MAX_COMMAS} values")


def _has_many_commas(body: bytes) -> bool:
    """Whether more than MAX_COMMAS commas are outside of strings; in time linear in the size."""
    commas = quotes = 0
    for piece in _pieces(body):
        # A backslash is only valid inside of strings. Without pairs of them, each escaped quote is a pair.
        plain = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
        found = plain.count(b'"')
        quotes += found
        if quotes > _MAX_QUOTES:
            return True
        inside = (quotes - found) & 1
        commas += sum(each.count(b",") for each in plain.split(b'"')[inside::2])
        if commas > MAX_COMMAS:
            return True
    return False


def _pieces(body: bytes) -> Iterator[bytes]:
    """*body* in pieces, none of which ends between a backslash and what it escapes."""
    start = 0
    while start < len(body):
        piece = body[start : start + _PIECE]
        if (len(piece) - len(piece.rstrip(b"\\"))) & 1:
            piece += body[start + _PIECE : start + _PIECE + 1]
        yield piece
        start += len(piece)


def _require_few_fields(value: Any) -> None:
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), value)] if isinstance(value, dict | list) else []
    while waiting:
        at, each = waiting.pop()
        if isinstance(each, dict):
            if len(each) > MAX_FIELDS:
                raise _invalid(at, f"at most {MAX_FIELDS} fields")
            waiting += [((*at, name), inner) for name, inner in each.items() if isinstance(inner, dict | list)]
        else:
            waiting += [((*at, place), inner) for place, inner in enumerate(each) if isinstance(inner, dict | list)]


def _invalid(at: tuple[str | int, ...], problem: str) -> TooManyValues:
    return TooManyValues([{"type": "too_many", "loc": ("body", *at), "msg": problem, "input": None}])
