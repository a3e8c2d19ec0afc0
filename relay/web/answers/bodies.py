"""How much of a request's body is read: a little everywhere, and more where a route says that it takes that."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from relay.web.http.limits import SMALL_BODY

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_BODILESS: Final = frozenset({"GET", "HEAD"})
_MARK: Final = "__takes_a_mail__"
_BYTES: Final = "__takes_bytes__"


def takes_a_mail(endpoint: Endpoint) -> Endpoint:
    """Give a route the body that ``MAILSEAL_API_MAX_BODY_BYTES`` allows, not the small one of all others."""
    setattr(endpoint, _MARK, True)
    return endpoint


def takes_bytes(most: int) -> Callable[[Endpoint], Endpoint]:
    """Give a route a body of *most* bytes, whatever the operator allows a mail."""

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _BYTES, most)
        return endpoint

    return mark


def bounded(scope: Scope, receive: Receive, *, most: int) -> Receive:
    """*receive*, which raises 413 as soon as it is clear that the body is larger than its route takes.

    The body of a GET means nothing (RFC 9110 §9.3.1): no route reads it, and whoever listens while an
    answer streams out does so to learn of a hang-up.
    """
    if scope["method"] in _BODILESS:
        return receive
    declared = _declared(scope)
    taken = 0

    async def receive_bounded() -> Message:
        nonlocal taken
        endpoint = scope.get("endpoint")
        allowed = most if hasattr(endpoint, _MARK) else getattr(endpoint, _BYTES, SMALL_BODY)
        if declared <= allowed:
            message = await receive()
            taken += len(message.get("body", b""))
            if taken <= allowed:
                return message
        # The framework passes this one on from where it reads a body, and no other.
        raise HTTPException(413)

    return receive_bounded


def _declared(scope: Scope) -> int:
    # h11 has seen to it that there is one at most, and that it is a number.
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)
