"""Post an event to a webhook, but never to a forbidden address (SSRF).

The address rule (relay/egress.py) is checked when connecting, in two places: the resolver refuses a name
if one of its addresses is forbidden, and a socket is created only for an address that passes again. The
second check sees each connection, also to an address in the URL, so no behaviour of the client library can
bypass it. Names are looked up by the relay's own resolver (relay/dns/addresses.py), answers are read by bytes
(relay/http_answers.py). Redirects are not followed, proxies of the environment are not used, cookies are not kept.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from io import BytesIO
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from relay.clock import Clock
from relay.delivery.outcome import HEEDS_RETRY_AFTER, WebhookAnswer, parse_retry_after
from relay.dns.addresses import AddressLookup
from relay.egress import Network, Scheme, Target, check_url, may_connect
from relay.errors import ForbiddenTarget
from relay.http_answers import Count, bounded_session, noting

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""Returns a name's addresses as text. Raises OSError when it has none or DNS does not answer."""

READ_LIMIT: Final = 64 * 1024  # bytes of a response body that are read and dropped, to keep the connection
CHUNKED_LIMIT: Final = 16 * 1024  # of one in chunks, with their sizes: a chunk may have one byte
_DRAIN_SECONDS: Final = 2.0
# Node and uvicorn close an idle connection after 5 s: a POST on a connection near that age is lost.
_KEEPALIVE_SECONDS: Final = 4.0
_LARGE_BODY: Final = 1024 * 1024  # bytes; aiohttp writes a larger body in pieces only from a file object
_DEFAULT_HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "Mailseal", "Accept": "*/*"}


class _Forbidden(ForbiddenTarget, OSError):
    """Also an OSError, so that the client raises it unchanged from connecting."""


class _CheckedResolver(AbstractResolver):
    """Resolves names, and refuses a name with a forbidden address."""

    def __init__(self, lookup: Lookup, check: Callable[[str], None]) -> None:
        self._lookup = lookup
        self._check = check

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of *host*.

        Raises OSError; _Forbidden when one of them is forbidden.
        """
        addresses = await self._lookup(host)
        if not addresses:
            raise OSError("the name has no address")
        for address in addresses:
            self._check(address)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in dict.fromkeys(addresses)
        ]

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


class Poster:
    """Posts to webhooks over kept-alive connections.

    Make it inside the running loop, and close it.
    It has no queue and no limit of connections: the dispatcher limits the requests of each endpoint.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        allow: Sequence[Network] = (),
        total_seconds: float = 15.0,
        connect_seconds: float = 10.0,
        lookup: Lookup | None = None,
        tls: ssl.SSLContext | None = None,
        count: Count = lambda _: None,
    ) -> None:
        self._clock = clock
        self._count = count  # a bound that an answer reached
        self._allow = allow  # not copied: a reload of the settings changes it
        self.total_seconds = total_seconds  # of one post
        self._connect_seconds = connect_seconds
        self._own_lookup = AddressLookup()  # asks nothing until it is used
        self._lookup = lookup or self._own_lookup
        context = tls or ssl.create_default_context()
        self._sessions: Mapping[Scheme, aiohttp.ClientSession] = {
            "https": self._session("https", context),
            "http": self._session("http", context),
        }
        self._route = lru_cache(maxsize=4096)(self._find_route)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> WebhookAnswer:
        """Post *body* once and return the answer. Raises only CancelledError."""
        started = time.monotonic()
        retry_after: float | None = None
        ended: float | None = None
        with noting() as noted:
            try:
                session, target = self._route(url)
                data = body if len(body) <= _LARGE_BODY else BytesIO(body)
                async with (
                    asyncio.timeout(self.total_seconds) as budget,
                    session.post(target, data=data, headers=headers, allow_redirects=False) as response,
                ):
                    ended = time.monotonic()
                    retry_after = self._retry_after(response)
                    await self._drain(response, budget)
            except Exception as error:  # noqa: BLE001 (each error that a hostile endpoint causes is an answer)
                if isinstance(error, TimeoutError):
                    self._count("webhook_time")
                # After the status line, errors in the rest of the response do not matter.
                if noted.status is None:
                    return WebhookAnswer(error=describe(error), duration_ms=_milliseconds(started, time.monotonic()))
        duration = _milliseconds(started, ended or time.monotonic())
        return WebhookAnswer(status=noted.status, retry_after=retry_after, duration_ms=duration)

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        await self._own_lookup.close()

    def _session(self, scheme: Scheme, context: ssl.SSLContext) -> aiohttp.ClientSession:
        """One session per scheme, as the address rule differs by scheme.

        The check does not see the request.
        """

        def check(address: str) -> None:
            if not may_connect(ip_address(address), self._allow, scheme=scheme):
                raise _Forbidden

        def checked_socket(info: tuple[Any, ...]) -> socket.socket:
            family, kind, protocol, _, peer = info
            check(peer[0])
            return socket.socket(family, kind, protocol)

        connector = aiohttp.TCPConnector(
            ssl=context,
            resolver=_CheckedResolver(self._lookup, check),
            use_dns_cache=False,
            limit=0,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            socket_factory=checked_socket,
        )
        return bounded_session(
            connector,
            count=self._count,
            chunked_bytes=CHUNKED_LIMIT,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_DEFAULT_HEADERS,
            skip_auto_headers=("Accept-Encoding",),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_seconds),
            auto_decompress=False,
            trust_env=False,
        )

    def _find_route(self, url: str) -> tuple[aiohttp.ClientSession, URL]:
        target = check_url(url, self._allow)
        return self._sessions[target.scheme], _as_url(target)

    def _retry_after(self, response: aiohttp.ClientResponse) -> float | None:
        if response.status not in HEEDS_RETRY_AFTER or "Retry-After" not in response.headers:
            return None
        return parse_retry_after(response.headers["Retry-After"], now=self._clock.now())

    async def _drain(self, response: aiohttp.ClientResponse, budget: asyncio.Timeout) -> None:
        """Read a short rest of the response, to keep the connection.

        A long or slow rest closes it.
        """
        content = response.content
        if content.is_eof():
            return
        budget.reschedule(min(budget.when() or 0.0, asyncio.get_running_loop().time() + _DRAIN_SECONDS))
        left = READ_LIMIT
        while left > 0:
            chunk = await content.readany()
            if not chunk:
                return
            left -= len(chunk)
        self._count("webhook_answer_body")
        response.close()


def describe(error: BaseException) -> str:
    """*error* in a few fixed words for the webhook's owner.

    They say what to fix, and no internal details.
    """
    cause = getattr(error, "os_error", None) or error
    words = next((words for kind, words in _WORDS if isinstance(error, kind) or isinstance(cause, kind)), None)
    return words or "failed"


# In order: the first class that matches counts, so subclasses come first.
_WORDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (ForbiddenTarget, "forbidden address"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (ssl.SSLCertVerificationError, "tls: certificate not trusted"),
    (aiohttp.ClientConnectorCertificateError, "tls: certificate not trusted"),
    (ssl.SSLError, "tls: handshake failed"),
    (aiohttp.ClientConnectorSSLError, "tls: handshake failed"),
    (TimeoutError, "timeout"),
    (ConnectionRefusedError, "connection refused"),
    (aiohttp.ServerDisconnectedError, "connection closed"),
    (ConnectionError, "connection closed"),
    (aiohttp.ClientConnectorError, "unreachable"),
    (aiohttp.ClientResponseError, "not http"),
    (aiohttp.ClientPayloadError, "not http"),
    (OSError, "connection closed"),
)


def _as_url(target: Target) -> URL:
    path, _, query = target.path.partition("?")
    host = f"[{target.host}]" if ":" in target.host else target.host
    return URL.build(scheme=target.scheme, host=host, port=target.port, path=path, query_string=query, encoded=True)


def _milliseconds(start: float, end: float) -> int:
    return round((end - start) * 1000)
