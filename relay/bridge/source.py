"""A relay's event stream over HTTP: one connection, read until it ends.

The second module that uses the HTTP client. The first, relay/delivery/post.py, posts to addresses chosen by other
users, this one reads for hours from the one address that its own user named.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from relay.bridge.sse import LineTooLong, Parser, ResumeMark, SseEvent
from relay.errors import StreamCut, StreamRefused
from relay.http_answers import bounded_session

_CONNECT_SECONDS: Final = 10.0
_SILENCE_SECONDS: Final = 45.0  # three keep-alive comments are missing: the connection is dead
_MOST_SECONDS: Final = 300.0  # longest Retry-After that is obeyed
_TEMPORARY: Final = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The event stream of one agent at one relay."""

    base_url: str  # without a final slash
    agent: str
    key: str

    def __repr__(self) -> str:
        return f"Source({self.base_url}, {self.agent})"

    async def follow(self, last_id: str | None, *, from_start: bool = False) -> AsyncGenerator[SseEvent | ResumeMark]:
        """The events behind *last_id*, or from now on; first a mark of the start.

        With *from_start*, from the oldest unread message on. Ends when the relay ends the stream. Raises StreamCut,
        StreamRefused.
        """
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "text/event-stream", "User-Agent": "Mailseal"}
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS)
        try:
            async with (
                bounded_session(timeout=timeout, trust_env=True) as session,
                session.get(self._url(from_start=from_start), headers=headers, allow_redirects=False) as answer,
            ):
                await _require_stream(answer)
                parser = Parser()
                async for part in answer.content.iter_any():
                    for item in parser.feed(part):
                        yield item
        except aiohttp.ClientConnectorCertificateError as error:
            raise StreamRefused(f"the certificate of {self.base_url} is not trusted: {error}") from error
        except (aiohttp.InvalidURL, ValueError) as error:
            raise StreamRefused(f"{self.base_url} is not the URL of a relay") from error
        except LineTooLong as error:
            raise StreamRefused(f"{self.base_url} does not answer with an event stream: check --url") from error
        except (aiohttp.ClientError, OSError) as error:
            raise StreamCut(f"no connection to {self.base_url}: {_reason(error)}") from error

    def _url(self, *, from_start: bool) -> URL:
        query = "?from=start" if from_start else ""
        url = URL(f"{self.base_url}/v1/agents/{quote(self.agent, safe='')}/events{query}", encoded=True)
        if url.scheme not in {"http", "https"}:
            raise ValueError(url.scheme)
        return url


async def _require_stream(answer: aiohttp.ClientResponse) -> None:
    """Raise StreamRefused or StreamCut, with the relay's words, unless it is a stream."""
    if answer.status == HTTPStatus.OK and answer.content_type == "text/event-stream":
        return
    words = _detail(await answer.content.read(65_536)) or f"it answers {answer.status}"
    if answer.status in _TEMPORARY:
        after = answer.headers.get("Retry-After", "")
        seconds = min(float(after), _MOST_SECONDS) if after.isdigit() else 0.0
        raise StreamCut(f"the relay is busy: {words}", seconds=seconds)
    raise StreamRefused(f"the relay refuses: {words}")


def _detail(body: bytes) -> str:
    """The ``detail`` of a problem document (RFC 9457); empty if it is none."""
    try:
        document: Any = orjson.loads(body)
        return str(document["detail"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""


def _reason(error: BaseException) -> str:
    """The system's error text, or the error's type without one."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
