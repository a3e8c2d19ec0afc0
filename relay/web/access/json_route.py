"""A route with a JSON body: checks scopes, then the size, then the number of values, then parses it.

Each step costs less than the next one, and none is done for a request that the step before refuses.
"""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from relay.web.access.dependencies import RequestAuth, check_of
from relay.web.answers.bodies import may_carry
from relay.web.answers.json_bounds import TooManyValues, parsed_json
from relay.web.answers.problems import claims_json
from relay.web.http.limits import SMALL_BODY

Handle = Callable[[Request], Coroutine[Any, Any, Response]]


class JsonRoute(APIRoute):
    """A route that reads its body within bounds; without a JSON body it is an ordinary one."""

    def get_route_handler(self) -> Handle:
        """The handler that FastAPI makes, with the body of the request read and parsed before."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle
        checks = [check for check in map(check_of, _calls(self.dependant)) if check is not None]

        async def handle_json(request: Request) -> Response:
            auth: RequestAuth | None = getattr(request.state, "auth", None)
            if auth is not None:
                for check in checks:
                    check(auth)
            async with _room(request, auth):
                await _read(request)
                return await handle(request)

        return handle_json


def _calls(dependant: Dependant) -> Iterator[Callable[..., Any] | None]:
    yield dependant.call
    for each in dependant.dependencies:
        yield from _calls(each)


def _room(request: Request, auth: RequestAuth | None) -> AbstractAsyncContextManager[None]:
    """Room for a large body. Raises TooManyAtOnce."""
    authenticator = request.state.authenticator
    size = may_carry(request.scope, most=authenticator.ctx.limits.max_body_bytes)
    if auth is None or size <= SMALL_BODY:
        return nullcontext()
    room: AbstractAsyncContextManager[None] = authenticator.bytes_in_flight.awaited(
        {"user": auth.principal.user.id}, size
    )
    return room


async def _read(request: Request) -> None:
    """Read and parse the body; FastAPI finds the value in the request."""
    try:
        body = await request.body()
    except ClientDisconnect as error:
        raise HTTPException(400) from error
    if body:
        is_json = claims_json(request)
        try:
            value = await parsed_json(body, is_json=is_json)
        except TooManyValues:
            request.state.ctx.metrics.count_bound("http_json_values")
            raise
        if is_json:
            request._json = value  # noqa: SLF001 (Request.json() keeps there what it parsed)
