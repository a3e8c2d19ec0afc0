"""Receive provider events at ``/COURIER/events/SECRET``. Not in the API's description: only the provider posts here."""

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from relay.errors import SnsUnreachable, UnprovenEvent
from relay.outbound.couriers.registry import COURIERS
from relay.signing.secrets import same
from relay.web.access.dependencies import InjectedContext
from relay.web.answers.bodies import takes_bytes
from relay.web.answers.error_responses import raises
from relay.web.answers.json import json_answer
from relay.web.schemas.feedback import EventTaken

MAX_EVENT: Final = 262_144  # bytes, the most that SNS publishes


def make_router(couriers: list[str]) -> APIRouter:
    """The routes of these couriers' events."""
    router = APIRouter()
    for courier in couriers:
        path = f"/{courier}/events/{{secret}}"
        router.post(path, name=f"{courier}_event", response_model=EventTaken, include_in_schema=False)(_route(courier))
    return router


def _route(courier: str) -> Callable[..., Awaitable[Response]]:
    @takes_bytes(MAX_EVENT)
    @raises(UnprovenEvent, SnsUnreachable)
    async def provider_event(secret: str, request: Request, ctx: InjectedContext) -> Response:
        """Take a post of any content type (SNS sends JSON as text/plain); 404 for another secret."""
        source = ctx.event_sources.get(courier)
        if source is None or not same(secret, source.secret):
            raise HTTPException(404)
        try:
            body = await request.body()
        except ClientDisconnect as error:
            raise HTTPException(400) from error
        await source.take(body)
        return json_answer({"status": "ok"})

    return provider_event


router = make_router([kind.name for kind in COURIERS.values() if kind.takes_events])
