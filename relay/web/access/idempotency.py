"""``Idempotency-Key``: a request that comes twice is done once, and both get the one answer.

The answer is kept for 24 hours, encrypted under the master key. Some answers show a secret that is
shown nowhere else, such as a new API key; kept without it, the replay would be worth nothing to the
client that lost the first, and kept in clear it would lie in every backup. So all are encrypted, and
no route has to remember that it shows one.

A request whose process died, or whose database went away, in the middle of it stays under way for as
long as any may take; then its key is free again, and if the work was done after all, it is done twice.
What must not be, a mail that goes out, begins, works and answers in one transaction of its own instead.
"""

import base64
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from relay.signing.secrets import NONCE_BYTES, MasterKey, Secret, decrypt, encrypt
from relay.web.access.context import WebContext
from relay.web.access.dependencies import RequestAuth
from relay.web.answers.errors import RequestUnderWay, Unauthorized
from store.directory.idempotency import MAX_KEY, begin_request, forget_request, keep_answer
from store.errors import Unavailable
from store.transaction import Tx

Handle = Callable[[Request], Coroutine[Any, Any, Response]]

_ABANDONED: Final = timedelta(minutes=5)
HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
_PARAMETER: Final = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": (
        "A word of your choice, different for each thing you want done. The same request with the same word within "
        "24 hours is not done again: it gets the first one's answer, marked `Idempotent-Replayed: true`."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
    "example": "5d2a51c8-order-1021",
}


class KeyedRoute(APIRoute):
    """A route whose POST takes an ``Idempotency-Key`` and sees to the rest itself, by JoinedOnce."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        if "POST" in (given.get("methods") or ()):
            extra = given.get("openapi_extra") or {}
            given["openapi_extra"] = {**extra, "parameters": [*extra.get("parameters", ()), _PARAMETER]}
        super().__init__(path, endpoint, **given)


class IdempotentRoute(KeyedRoute):
    """A route whose POST honours ``Idempotency-Key``; for what makes something, in one answer and not in a stream."""

    def get_route_handler(self) -> Handle:
        """The route's own handler behind the question whether its answer is known already."""
        handle = super().get_route_handler()

        async def handle_once(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if key is None or request.method != "POST":
                return await handle(request)
            return await _Once(request, key).answer(handle)

        return handle_once


class Replayed(Exception):
    """The request is answered already."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class _Keyed:
    """One request with an idempotency key."""

    def __init__(self, request: Request, key: str) -> None:
        auth: RequestAuth | None = getattr(request.state, "auth", None)
        if auth is None:
            raise Unauthorized
        self._request = request
        self._key = key
        self._caller = auth.principal
        self._ctx: WebContext = request.state.ctx
        self._context = f"{self._caller.user.id}\n{key}"

    async def _asked(self) -> str:
        """What is asked for, and by which API key: another of the same user may not be allowed to see the answer."""
        scope, digest = self._request.scope, sha256()
        parts = (self._caller.key.id, scope["method"], scope["path"], scope["query_string"], await self._request.body())
        for part in parts:
            octets = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(octets) + octets)
        return digest.hexdigest()

    def _begin(self, tx: Tx, asked: str) -> Response | None:
        """The answer there is already; None for a request that is begun by this. Raises RequestUnderWay."""
        user, now = self._caller.user.id, self._ctx.clock.now()
        forget_request(tx, user, self._key, begun_before=now - _ABANDONED)
        begun = begin_request(tx, user, self._key, asked, now=now)
        if begun.state == "under way":
            raise RequestUnderWay
        if begun.state == "answered":
            assert begun.status is not None
            return _replayed(begun.status, _open(begun.answer or "", context=self._context, master=self._ctx.master))
        return None

    def _keep(self, tx: Tx, response: Response) -> None:
        answer = _seal(_packed(response), context=self._context, master=self._ctx.master)
        keep_answer(tx, self._caller.user.id, self._key, status=response.status_code, answer=answer)


class JoinedOnce(_Keyed):
    """A request that begins, works and answers in one transaction: a process that dies has done all of it or nothing.

    What is not answered leaves no trace, so it can be asked again at once.
    """

    async def read(self) -> None:
        """Learn what is asked for; before begin()."""
        self._hash = await self._asked()

    def begin(self, tx: Tx) -> None:
        """Take the key. Raises Replayed for a request that is answered already, IdempotencyMismatch, InvalidValue."""
        response = self._begin(tx, self._hash)
        if response is not None:
            raise Replayed(response)

    def end(self, tx: Tx, response: Response) -> None:
        """Keep what is answered."""
        self._keep(tx, response)


async def joined_once(request: Request) -> JoinedOnce | None:
    """The request's idempotency key at work; None where it has none."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    once = JoinedOnce(request, key)
    await once.read()
    return once


class _Once(_Keyed):
    """One request with an idempotency key, around a route that knows nothing of it."""

    async def answer(self, handle: Handle) -> Response:
        """Do it, or find that it is done. Raises RequestUnderWay, IdempotencyMismatch, InvalidValue."""
        asked = await self._asked()
        known = await self._ctx.store.write(lambda tx: self._begin(tx, asked))
        if known is not None:
            return known
        return await self._kept_or_forgotten(lambda: handle(self._request))

    async def _kept_or_forgotten(self, work: Callable[[], Awaitable[Response]]) -> Response:
        """Do it and keep the answer; what fails is forgotten, so that it can be tried again.

        An error that is raised has done nothing. A cancellation says nothing of what was done.
        """
        store, user = self._ctx.store, self._caller.user.id
        try:
            response = await work()
        except Exception:
            await store.write(lambda tx: forget_request(tx, user, self._key))
            raise
        if response.status_code >= 500:
            await store.write(lambda tx: forget_request(tx, user, self._key))
            return response
        with suppress(Unavailable):  # it is done: whoever asked hears so all the same
            await store.write(lambda tx: self._keep(tx, response))
        return response


def _packed(response: Response) -> bytes:
    return response.headers.get("content-type", "").encode("latin-1") + b"\n" + bytes(response.body)


def _replayed(status: int, packed: bytes) -> Response:
    content_type, _, body = packed.partition(b"\n")
    headers = {REPLAYED: "true"}
    if content_type:
        headers["Content-Type"] = content_type.decode("latin-1")
    return Response(body, status, headers)


def _seal(packed: bytes, *, context: str, master: MasterKey) -> str:
    blob = encrypt(Secret(packed), master=master, nonce=secrets.token_bytes(NONCE_BYTES), context=_place(context))
    return base64.b64encode(blob).decode("ascii")


def _open(answer: str, *, context: str, master: MasterKey) -> bytes:
    return decrypt(base64.b64decode(answer), master=master, context=_place(context)).value


def _place(context: str) -> str:
    """The row as the encryption knows it: no agent's secret can be mistaken for an answer."""
    return f"idempotency\n{context}"
