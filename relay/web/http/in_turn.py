"""Begin requests in turn, so that a peer with many requests does not delay those of others."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relay.turns import Turns
from relay.web.http.peers import peer_name

_AT_ONCE: Final = 8


class InTurn:
    """ASGI application that calls *app* for few requests at a time, of each client in turn.

    The turn of a request ends when its response begins, or before, if it waits for long.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._turns = Turns(_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request."""
        turn = await self._turns.begin(peer_name(scope.get("client")))

        async def send_and_end(message: Message) -> None:
            turn.end()
            await send(message)

        try:
            await self._app(scope, receive, send_and_end)
        finally:
            turn.end()
