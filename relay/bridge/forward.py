"""Forward one event to a local program, as a webhook request; report the result."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import orjson

from relay.bridge.sse import SseEvent
from relay.delivery.outcome import WebhookAnswer
from relay.errors import StreamRefused

RETRY_SECONDS: Final = (1.0, 3.0, 9.0)
_TEMPORARY: Final = frozenset({408, 425, 429})  # and every 5xx, and no answer


class Post(Protocol):
    """Sends a webhook request, as relay.delivery.post.Poster does."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> WebhookAnswer:
        """Send *body*; an error is part of the answer, none is raised."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """An event of the stream as a webhook request."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """The result of forwarding one event: its message, and the program's answer."""

    at: datetime
    type: str
    id: str | None  # evt_…
    message_id: str | None
    sender: str | None
    verified: bool | None  # None: not part of the event
    subject: str | None
    status: int | None  # None: no answer
    error: str | None
    duration_ms: int
    tries: int
    taken: bool  # the program answered 2xx


async def forward(
    message: SseEvent,
    *,
    to: str,
    poster: Post,
    now: Callable[[], datetime],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Forwarded:
    """Post the event to the program at *to*, with retries after temporary failures.

    Raises StreamRefused: not an event of this relay's stream.
    """
    request = request_of(message)
    answer = await poster.post(to, request.headers, request.body)
    tries = 1
    for seconds in RETRY_SECONDS:
        if not _is_temporary(answer):
            break
        await sleep(seconds)
        answer = await poster.post(to, request.headers, request.body)
        tries += 1
    return _forwarded(request, answer, at=now(), tries=tries, type_=message.type)


def request_of(message: SseEvent) -> Request:
    """The webhook headers and exact body bytes. Raises StreamRefused: malformed event."""
    try:
        document: Any = orjson.loads(message.data)
        headers, body = dict(document["headers"]), document["body"].encode()
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise StreamRefused("the stream's events are not Mailseal's: check --url") from error
    if not all(isinstance(text, str) for pair in headers.items() for text in pair):
        raise StreamRefused("the stream's events are not Mailseal's: check --url")
    return Request(headers, body)


def _is_temporary(answer: WebhookAnswer) -> bool:
    """Whether a retry can succeed: no answer, or a temporary failure of the program."""
    if answer.status is None:
        return True
    return answer.status >= 500 or answer.status in _TEMPORARY


def _forwarded(request: Request, answer: WebhookAnswer, *, at: datetime, tries: int, type_: str) -> Forwarded:
    event = _object(_parsed(request.body))
    data = _object(event.get("data"))
    return Forwarded(
        at=at,
        type=type_,
        id=event.get("id"),
        message_id=data.get("message_id"),
        sender=_object(data.get("from")).get("address"),
        verified=data.get("verified"),
        subject=data.get("subject"),
        status=answer.status,
        error=answer.error,
        duration_ms=answer.duration_ms,
        tries=tries,
        taken=answer.status is not None and 200 <= answer.status < 300,
    )


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
