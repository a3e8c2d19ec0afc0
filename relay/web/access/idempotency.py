"""``Idempotency-Key``: run a repeated POST request once, and replay its response.

The response is kept for 24 hours, encrypted with the master key. Some responses show a secret
that is shown only once, such as a new API key. Without the secret a replay would be useless to a
client that lost the first response; in plain text it would be in every backup. All responses are
encrypted, so no route has to declare that its response holds a secret.

If the process or the database fails during a request, its key stays reserved for five minutes and
is then released; if the work had been done, a retry does it twice. Routes where that must not
happen, because they send a message, use `IdempotentTransaction`: reserve the key, do the work and
keep the response in one transaction.
"""

import base64
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from relay.signing.secrets import NONCE_BYTES, MasterKey, Secret, decrypt, encrypt
from relay.web.access.context import WebContext
from relay.web.access.dependencies import RequestAuth
from relay.web.access.json_route import JsonRoute
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
        "A unique value of your choice for each operation. A repeated request with the same value within 24 hours "
        "is not run again: it gets the first response, marked `Idempotent-Replayed: true`."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
    "example": "5d2a51c8-order-1021",
}


class KeyedRoute(JsonRoute):
    """A route whose POST documents ``Idempotency-Key`` and uses IdempotentTransaction."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        if "POST" in (given.get("methods") or ()):
            extra = given.get("openapi_extra") or {}
            given["openapi_extra"] = {**extra, "parameters": [*extra.get("parameters", ()), _PARAMETER]}
        super().__init__(path, endpoint, **given)


class IdempotentRoute(KeyedRoute):
    """A route whose POST honours ``Idempotency-Key``; not for streaming responses."""

    def get_route_handler(self) -> Handle:
        """The route's handler, run only if no response is kept for the key."""
        handle = super().get_route_handler()

        async def handle_idempotently(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if key is None or request.method != "POST":
                return await handle(request)
            return await _IdempotentRequest(request, key).answer(handle)

        return handle_idempotently


class Replayed(Exception):
    """The request was already answered; *response* is the kept response."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class _KeyedRequest:
    """A request with an idempotency key."""

    def __init__(self, request: Request, key: str) -> None:
        auth: RequestAuth | None = getattr(request.state, "auth", None)
        if auth is None:
            raise Unauthorized
        self._request = request
        self._key = key
        self._caller = auth.principal
        self._ctx: WebContext = request.state.ctx
        self._context = f"{self._caller.user.id}\n{key}"

    async def _fingerprint(self) -> str:
        """Hash of the request: API key, method, path, query and body.

        Includes the API key, because another key of the same user may lack access to the response.
        """
        scope, digest = self._request.scope, sha256()
        parts = (self._caller.key.id, scope["method"], scope["path"], scope["query_string"], await self._request.body())
        for part in parts:
            octets = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(octets) + octets)
        return digest.hexdigest()

    def _begin(self, tx: Tx, fingerprint: str) -> Response | None:
        """Reserve the key and return None, or return the kept response.

        Raises RequestUnderWay if the first request has not finished.
        """
        user, now = self._caller.user.id, self._ctx.clock.now()
        forget_request(tx, user, self._key, begun_before=now - _ABANDONED)
        begun = begin_request(tx, user, self._key, fingerprint, now=now)
        if begun.state == "under way":
            raise RequestUnderWay
        if begun.state == "answered":
            assert begun.status is not None
            return _replayed(
                begun.status, _decrypt_answer(begun.answer or "", context=self._context, master=self._ctx.master)
            )
        return None

    def _keep(self, tx: Tx, response: Response) -> None:
        answer = _encrypt_answer(_packed(response), context=self._context, master=self._ctx.master)
        keep_answer(tx, self._caller.user.id, self._key, status=response.status_code, answer=answer)


class IdempotentTransaction(_KeyedRequest):
    """Reserves the key, does the work and keeps the response in one transaction.

    If the process dies, either all of it is done or none of it, so a retry is possible at once.
    """

    async def read(self) -> None:
        """Read the request and compute its fingerprint. Call before begin()."""
        self._hash = await self._fingerprint()

    def begin(self, tx: Tx) -> None:
        """Reserve the key.

        Raises Replayed if the request was already answered, IdempotencyMismatch, InvalidValue.
        """
        response = self._begin(tx, self._hash)
        if response is not None:
            raise Replayed(response)

    def end(self, tx: Tx, response: Response) -> None:
        """Keep the response."""
        self._keep(tx, response)


async def idempotent_transaction(request: Request) -> IdempotentTransaction | None:
    """Dependency: the IdempotentTransaction of the request; None without a key."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    once = IdempotentTransaction(request, key)
    await once.read()
    return once


class _IdempotentRequest(_KeyedRequest):
    """Runs the handler of a route once for an idempotency key."""

    async def answer(self, handle: Handle) -> Response:
        """Run *handle*, or return the kept response.

        Raises RequestUnderWay, IdempotencyMismatch, InvalidValue.
        """
        fingerprint = await self._fingerprint()
        known = await self._ctx.store.write(lambda tx: self._begin(tx, fingerprint))
        if known is not None:
            return known
        return await self._run_and_keep(lambda: handle(self._request))

    async def _run_and_keep(self, work: Callable[[], Awaitable[Response]]) -> Response:
        """Run *work* and keep its response; after an error release the key for a retry.

        A raised error means that the work was not done. After a cancellation that is unknown, so the
        key stays reserved.
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
        with suppress(Unavailable):  # the work is done: the client gets its response anyway
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


def _encrypt_answer(packed: bytes, *, context: str, master: MasterKey) -> str:
    blob = encrypt(
        Secret(packed), master=master, nonce=secrets.token_bytes(NONCE_BYTES), context=_encryption_context(context)
    )
    return base64.b64encode(blob).decode("ascii")


def _decrypt_answer(answer: str, *, context: str, master: MasterKey) -> bytes:
    return decrypt(base64.b64decode(answer), master=master, context=_encryption_context(context)).value


def _encryption_context(context: str) -> str:
    """Associated data of the encryption: differs from that of an agent's secret."""
    return f"idempotency\n{context}"
