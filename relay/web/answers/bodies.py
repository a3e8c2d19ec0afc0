"""Limit the size of request bodies: small, or larger where a route declares it."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from relay.web.http.limits import SMALL_BODY

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_BODILESS: Final = frozenset({"GET", "HEAD"})
_MESSAGE: Final = "__takes_message__"
_BYTES: Final = "__takes_bytes__"


def takes_message(endpoint: Endpoint) -> Endpoint:
    """Allow bodies up to ``MAILSEAL_API_MAX_BODY_BYTES`` on a route."""
    setattr(endpoint, _MESSAGE, True)
    return endpoint


def takes_bytes(most: int) -> Callable[[Endpoint], Endpoint]:
    """Allow bodies up to *most* bytes on a route, independent of the settings."""

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _BYTES, most)
        return endpoint

    return mark


def bounded(scope: Scope, receive: Receive, *, most: int, count: Callable[[str], None] = lambda _: None) -> Receive:
    """Wrap *receive*: raise 413 as soon as the body exceeds the limit of its route.

    Bodies of GET and HEAD are not limited: they have no meaning (RFC 9110 §9.3.1) and no route reads
    them. A streaming response calls *receive* only to detect a disconnect.
    """
    if scope["method"] in _BODILESS:
        return receive
    declared = _declared(scope) or 0
    taken = 0

    async def receive_bounded() -> Message:
        nonlocal taken
        allowed = _allowed(scope, most)
        if declared <= allowed:
            message = await receive()
            taken += len(message.get("body", b""))
            if taken <= allowed:
                return message
        count("http_body_bytes")
        # While reading a body FastAPI passes on HTTPException and turns other exceptions into 400.
        raise HTTPException(413)

    return receive_bounded


def may_carry(scope: Scope, *, most: int) -> int:
    """Bytes that the body of a request may have: as many as it declares, or as its route allows."""
    allowed, declared = _allowed(scope, most), _declared(scope)
    return allowed if declared is None else min(declared, allowed)


def _allowed(scope: Scope, most: int) -> int:
    endpoint = scope.get("endpoint")
    return most if hasattr(endpoint, _MESSAGE) else getattr(endpoint, _BYTES, SMALL_BODY)


def _declared(scope: Scope) -> int | None:
    # h11 guarantees at most one Content-Length, and that it is a number.
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), None)
