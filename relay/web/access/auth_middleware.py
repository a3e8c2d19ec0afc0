"""Middleware: authenticate API keys and count requests before routing.

Runs before the body of the request is read.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relay.inbox.stream import StreamContext
from relay.signing.keys import hash_key
from relay.web.access.context import WebContext
from relay.web.access.dependencies import RequestAuth, find_request_auth
from relay.web.access.paths import ADDRESS
from relay.web.access.rate_limits import RequestRates
from relay.web.answers.bodies import bounded
from relay.web.answers.errors import PathNotFound, Unauthorized
from relay.web.answers.problems import problem_of
from relay.web.http.peers import peer_name
from relay.web.http.shares import Shares
from store.directory.keys import TOUCH_EVERY, touch_api_key
from store.errors import InvalidValue, StoreError
from store.records.mail import ApiKey

_SCHEME: Final = "bearer "
_NEEDS_KEY: Final = "/v1/"
_AGENT: Final = re.compile(rf"/v1/agents/({ADDRESS})(?=/|\Z)")
_MAX_KEYS: Final = 10_000  # keys whose last use is remembered


class LastUse:
    """Remembers when keys were used, so that a busy key is written once a minute."""

    def __init__(self) -> None:
        self._at: dict[str, datetime] = {}

    def is_due(self, key: ApiKey, now: datetime) -> bool:
        """Whether this use must be stored."""
        last = self._at.get(key.id) or key.last_used_at
        if last is not None and now - last < TOUCH_EVERY:
            return False
        if len(self._at) >= _MAX_KEYS:
            self._at.clear()
        self._at[key.id] = now
        return True


class _ResponseSender:
    """Adds the rate limit fields to the response."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_started = False
        self.fields: Mapping[str, str] = {}

    async def send(self, message: Message) -> None:
        """Send the ASGI *message*, with the extra fields in the response head."""
        if message["type"] == "http.response.start":
            self.has_started = True
            more = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in self.fields.items()]
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await self._send(message)


class Authenticator:
    """Authenticates and rate-limits the requests of one application."""

    def __init__(self, ctx: WebContext, stream_context: StreamContext) -> None:
        self.ctx = ctx
        self.stream_context = stream_context
        limits, count = ctx.limits, ctx.metrics.count_bound
        self.rates = RequestRates(limits, count, ctx.counts)
        bounds = {"key": limits.waits_per_key, "user": limits.waits_per_user, "peer": limits.waits_per_peer}
        self.waits = Shares("http_waits", total=limits.max_waits, bounds=bounds, count=count, counts=ctx.counts)
        most = limits.max_bytes_in_flight
        self.bytes_in_flight = Shares(
            "http_bytes", total=most, bounds={"user": most // 4}, count=count, counts=ctx.counts
        )
        self._last_use = LastUse()

    async def handle(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate the request and pass it to *app*, or answer with a problem."""
        answer = _ResponseSender(send)
        try:
            _require_text(scope)
            if scope["path"].startswith(_NEEDS_KEY):
                await self._identify(scope, answer)
            most, count = self.ctx.limits.max_body_bytes, self.ctx.metrics.count_bound
            await app(scope, bounded(scope, receive, most=most, count=count), answer.send)
        except Exception as error:
            if answer.has_started:
                raise
            await problem_of(error, base_url=self.ctx.base_url)(scope, receive, answer.send)

    async def _identify(self, scope: Scope, answer: _ResponseSender) -> None:
        """Set ``state.auth`` for the dependencies. Raises Unauthorized, RateLimited."""
        plaintext = _bearer(scope)
        if plaintext is None:
            raise Unauthorized
        now = self.ctx.clock.now()
        peer, key_hash = peer_name(scope.get("client")), hash_key(plaintext)
        self.rates.check_peer(peer, key_hash, now.timestamp())
        named = _AGENT.match(scope["path"])
        address = named[1] if named else None
        auth = await self.ctx.store.read_on_loop(lambda tx: find_request_auth(tx, plaintext, address))
        if auth is None:
            answer.fields = self.rates.count_failure(peer, key_hash, now.timestamp())
            raise Unauthorized
        answer.fields = self.rates.count(auth.principal, key_hash, now.timestamp())
        await self._touch_key(auth, now)
        scope["state"]["auth"] = auth

    async def _touch_key(self, auth: RequestAuth, now: datetime) -> None:
        key = auth.principal.key
        if self._last_use.is_due(key, now):
            with suppress(StoreError):  # a failed update of last_used_at must not fail the request
                await self.ctx.store.write(lambda tx: touch_api_key(tx, key.id, now=now))


class ContextApp:
    """ASGI application that adds its context to each request before calling *api*.

    Applications with different contexts (as in tests) share one *api*.
    """

    def __init__(self, api: ASGIApp, authenticator: Authenticator) -> None:
        self.api = api
        self.authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request."""
        authenticator = self.authenticator
        scope.setdefault("state", {}).update(
            authenticator=authenticator, ctx=authenticator.ctx, stream_context=authenticator.stream_context
        )
        if scope["method"] == "HEAD":  # answered as GET; the server sends the head alone (RFC 9110 §9.3.2)
            scope = {**scope, "method": "GET", "state": {**scope["state"], "is_head": True}}
        await self.api(scope, receive, send)


class AuthMiddleware:
    """Calls the request's `Authenticator`.

    A middleware, so that it runs inside of Starlette's ServerErrorMiddleware, which would raise
    an error again after answering it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request."""
        authenticator: Authenticator = scope["state"]["authenticator"]
        await authenticator.handle(self._app, scope, receive, send)


def _bearer(scope: Scope) -> str | None:
    header = next((value for name, value in scope["headers"] if name == b"authorization"), b"").decode("latin-1")
    return header[len(_SCHEME) :].strip() if header.lower().startswith(_SCHEME) else None


def _require_text(scope: Scope) -> None:
    """Reject NUL: no id or address contains it, and PostgreSQL rejects it in a query."""
    if "\0" in scope["path"]:
        raise PathNotFound
    if b"%00" in scope["query_string"]:
        raise InvalidValue("the query string contains a NUL character")
