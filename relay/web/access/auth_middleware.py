"""The way in: who asks is known, and counted, before a route is chosen or anything of the body is read."""

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
from relay.web.access.rate_limits import RequestRates, peer_name
from relay.web.answers.bodies import bounded
from relay.web.answers.errors import PathNotFound, Unauthorized
from relay.web.answers.problems import problem_of
from store.directory.keys import TOUCH_EVERY, touch_api_key
from store.errors import InvalidValue, StoreError
from store.records.mail import ApiKey

_SCHEME: Final = "bearer "
_NEEDS_KEY: Final = "/v1/"
_AGENT: Final = re.compile(rf"/v1/agents/({ADDRESS})(?=/|\Z)")
_REMEMBERED: Final = 10_000  # keys whose last use is kept in mind


class LastUse:
    """Which keys were used lately, so that a busy one costs a write a minute and not one a request."""

    def __init__(self) -> None:
        self._at: dict[str, datetime] = {}

    def is_due(self, key: ApiKey, now: datetime) -> bool:
        """Whether this use should be written down."""
        last = self._at.get(key.id) or key.last_used_at
        if last is not None and now - last < TOUCH_EVERY:
            return False
        if len(self._at) >= _REMEMBERED:
            self._at.clear()
        self._at[key.id] = now
        return True


class _Answer:
    """What goes back: everything gets the fields that tell how its asker stands."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False
        self.fields: Mapping[str, str] = {}

    async def send(self, message: Message) -> None:
        """Send *message* on."""
        if message["type"] == "http.response.start":
            self.has_begun = True
            more = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in self.fields.items()]
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await self._send(message)


class Authenticator:
    """The gate of one house."""

    def __init__(self, ctx: WebContext, stream_context: StreamContext) -> None:
        self.ctx = ctx
        self.stream_context = stream_context
        self.rates = RequestRates(ctx.limits)
        self._last_use = LastUse()

    async def let_in(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in to *app*, or answer it here."""
        answer = _Answer(send)
        try:
            _require_text(scope)
            if scope["path"].startswith(_NEEDS_KEY):
                await self._identify(scope, answer)
            most = self.ctx.limits.max_body_bytes
            await app(scope, bounded(scope, receive, most=most), answer.send)
        except Exception as error:
            if answer.has_begun:
                raise
            await problem_of(error, base_url=self.ctx.base_url)(scope, receive, answer.send)

    async def _identify(self, scope: Scope, answer: _Answer) -> None:
        """Leave the asker where guards find them. Raises Unauthorized, RateLimited."""
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
        await self._note_use(auth, now)
        scope["state"]["auth"] = auth

    async def _note_use(self, auth: RequestAuth, now: datetime) -> None:
        key = auth.principal.key
        if self._last_use.is_due(key, now):
            with suppress(StoreError):  # who can still be answered must not be refused over a note
                await self.ctx.store.write(lambda tx: touch_api_key(tx, key.id, now=now))


class ContextApp:
    """An application over one house: its requests carry what routes need of it to *api*, which all houses share."""

    def __init__(self, api: ASGIApp, gate: Authenticator) -> None:
        self.api = api
        self.gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        gate = self.gate
        scope.setdefault("state", {}).update(gate=gate, ctx=gate.ctx, stream_context=gate.stream_context)
        await self.api(scope, receive, send)


class AuthMiddleware:
    """The gate's place among the middlewares: inside of the catcher that would raise a mistake once more."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the gate of the request's house."""
        gate: Authenticator = scope["state"]["gate"]
        await gate.let_in(self._app, scope, receive, send)


def _bearer(scope: Scope) -> str | None:
    header = next((value for name, value in scope["headers"] if name == b"authorization"), b"").decode("latin-1")
    return header[len(_SCHEME) :].strip() if header.lower().startswith(_SCHEME) else None


def _require_text(scope: Scope) -> None:
    """Refuse NUL: no id or address has one, and PostgreSQL would not take it even to look for it."""
    if "\0" in scope["path"]:
        raise PathNotFound
    if b"%00" in scope["query_string"]:
        raise InvalidValue("a query holds no NUL")
