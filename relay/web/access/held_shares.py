"""FastAPI dependency for the shares that a request holds until its response is sent."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.exceptions import HTTPException
from starlette.types import Scope

from relay.web.access.dependencies import InjectedAuth, RequestAuth
from relay.web.answers.error_responses import raises
from relay.web.answers.errors import TooManyAtOnce
from relay.web.http.limits import SMALL_BODY
from relay.web.http.peers import peer_name
from relay.web.http.shares import Shares


class HeldShares:
    """The shares of one request."""

    def __init__(self, scope: Scope, auth: RequestAuth, stack: ExitStack) -> None:
        self._waits: Shares = scope["state"]["authenticator"].waits
        self._bytes: Shares = scope["state"]["authenticator"].bytes_in_flight
        self._stack = stack
        self.is_head = scope["state"].get("is_head", False)
        self._carried = stack.enter_context(ExitStack())
        self._holders = holders_of(auth)
        is_proxied = scope["state"].get("is_proxied", False)
        self._peer = {} if is_proxied else {"peer": peer_name(scope.get("client"))}

    def wait(self) -> None:
        """Count the request as a waiting one. Raises TooManyAtOnce, HTTPException 405 for HEAD, which never waits."""
        if self.is_head:
            raise HTTPException(405)
        self._stack.enter_context(self._waits.held({**self._holders, **self._peer}))

    async def carry(self, amount: int) -> None:
        """Hold *amount* bytes of an answer unless they are few. Raises TooManyAtOnce."""
        if amount > SMALL_BODY:
            await self.take(amount)

    async def take(self, amount: int) -> None:
        """Hold *amount* bytes instead of those held before, once there is room for them. Raises TooManyAtOnce."""
        self._carried.close()
        user = {"user": self._holders["user"]}
        await self._bytes.wait(user, amount)
        self._carried.enter_context(self._bytes.held(user, amount))

    def settle(self, amount: int) -> None:
        """Hold *amount* bytes instead, even more than there is room for: others have to wait."""
        self._carried.close()
        if amount > SMALL_BODY:
            user = {"user": self._holders["user"]}
            self._carried.enter_context(self._bytes.held(user, amount, is_due=True))


def holders_of(auth: RequestAuth) -> Mapping[str, str]:
    """The key and the user of a request, as holders of shares."""
    return {"key": auth.principal.key.id, "user": auth.principal.user.id}


@raises(TooManyAtOnce)
async def held_shares(request: Request, auth: InjectedAuth) -> AsyncGenerator[HeldShares]:
    """The shares of the request, given back once the response is sent."""
    with ExitStack() as stack:
        yield HeldShares(request.scope, auth, stack)


InjectedShares = Annotated[HeldShares, Depends(held_shares)]


@raises(TooManyAtOnce)
async def waits(shares: InjectedShares) -> None:
    """Count the request as a waiting one until its response is sent. Raises TooManyAtOnce."""
    shares.wait()


Waits: Any = Depends(waits)
