"""Routes under /v1/deliveries: webhook deliveries, attempts, replay, test event."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from relay.clock import rfc3339
from relay.delivery.trial import trial_document
from relay.errors import BadSecret, NoWebhook
from relay.web.access.dependencies import Admin, AgentAdmin, InjectedContext, Reader
from relay.web.access.json_route import JsonRoute
from relay.web.access.paths import AGENT
from relay.web.answers.error_responses import raises
from relay.web.answers.json import json_answer
from relay.web.schemas.mail import DeliveryDocument, DeliveryPage, ReplayedDeliveries, ReplayRequest, TrialDocument
from relay.web.schemas.parameters import Cursor, DeliveryId, Limit
from store.directory.agents import get_agent_by_id
from store.errors import AgentNotFound, DeliveryNotFound, NotReplayable
from store.mail.deliveries import (
    get_delivery_for_user,
    list_attempts,
    list_deliveries,
    list_deliveries_by_user,
    replay,
    replay_dead,
)
from store.records.mail import Attempt, Delivery, DeliveryStatus, Page
from store.transaction import Tx

router = APIRouter(prefix="/v1", tags=["deliveries"], route_class=JsonRoute)
of_agent = APIRouter(prefix=AGENT, tags=["deliveries"])


@router.get("/deliveries", response_model=DeliveryPage)
@raises(AgentNotFound)
async def deliveries(
    who: Reader,
    ctx: InjectedContext,
    *,
    agent: Annotated[str | None, Query(max_length=320, description="Only deliveries of this agent.")] = None,
    status: Annotated[
        Literal["pending", "delivered", "dead"] | None, Query(description="Only deliveries with this status.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List webhook deliveries, newest first."""
    page = await ctx.store.read(lambda tx: _page(tx, who.user.id, agent, status, limit, cursor))
    return json_answer({"items": [_document(item) for item in page.items], "next_cursor": page.next_cursor})


@router.get("/deliveries/{delivery_id}", response_model=DeliveryDocument)
@raises(DeliveryNotFound)
async def delivery(who: Reader, ctx: InjectedContext, delivery_id: DeliveryId) -> Response:
    """Get one delivery with all attempts."""

    def unit(tx: Tx) -> dict[str, Any]:
        found = get_delivery_for_user(tx, who.user.id, delivery_id)
        return _document(found) | {"tried": [_attempt(each) for each in list_attempts(tx, found.id)]}

    return json_answer(await ctx.store.read(unit))


@router.post("/deliveries/{delivery_id}/replay", response_model=DeliveryDocument, status_code=202)
@raises(DeliveryNotFound, NotReplayable)
async def replay_one(who: Admin, ctx: InjectedContext, delivery_id: DeliveryId) -> Response:
    """Replay a delivery that is delivered or dead, with the same `webhook-id`."""
    now = ctx.clock.now()

    def unit(tx: Tx) -> dict[str, Any]:
        found = replay(tx, get_delivery_for_user(tx, who.user.id, delivery_id).id, now=now)
        return _document(found) | {"tried": [_attempt(each) for each in list_attempts(tx, found.id)]}

    return json_answer(await ctx.store.write(unit), 202)


@router.post("/deliveries/replay", response_model=ReplayedDeliveries, status_code=202)
@raises(AgentNotFound)
async def replay_all_dead(who: Admin, ctx: InjectedContext, wanted: ReplayRequest) -> Response:
    """Replay an agent's dead deliveries, oldest first, at most 200.

    Repeat while `more` is true.
    """
    now = ctx.clock.now()

    def unit(tx: Tx) -> dict[str, Any]:
        agent = get_agent_by_id(tx, who.user.id, wanted.agent)
        replayed = replay_dead(tx, agent.address, now=now)
        left = list_deliveries(tx, agent=agent.address, status="dead", limit=1)
        return {"delivery_ids": [each.id for each in replayed], "more": bool(left.items)}

    return json_answer(await ctx.store.write(unit), 202)


@of_agent.post("/test", response_model=TrialDocument)
@raises(NoWebhook, BadSecret)
async def try_webhook(agent: AgentAdmin, ctx: InjectedContext) -> Response:
    """Post a sample event to the agent's webhook and return the response.

    The request is signed and sent like a real delivery. It is not stored, and the response has no effect: a 410
    does not switch the webhook off.
    """
    return json_answer(trial_document(await ctx.try_webhook(agent)))


def _page(  # noqa: PLR0917 (its single caller passes them in the order of the query)
    tx: Tx, user_id: str, address: str | None, status: DeliveryStatus | None, limit: int, cursor: str | None
) -> Page[Delivery]:
    if address is None:
        return list_deliveries_by_user(tx, user_id, status=status, limit=limit, cursor=cursor)
    agent = get_agent_by_id(tx, user_id, address)
    return list_deliveries(tx, agent=agent.address, status=status, limit=limit, cursor=cursor)


def _document(item: Delivery) -> dict[str, Any]:
    return {
        "delivery_id": item.id,
        "event_id": item.event_id,
        "event_type": item.event_type,
        "agent": item.agent,
        "message_id": item.message_id,
        "status": item.status,
        "attempts": item.attempts,
        "due_at": rfc3339(item.due_at) if item.status == "pending" else None,
        "created_at": rfc3339(item.created_at),
        "settled_at": rfc3339(item.settled_at) if item.settled_at else None,
        "last_status": item.last_status,
        "last_error": item.last_error,
    }


def _attempt(each: Attempt) -> dict[str, Any]:
    return {"at": rfc3339(each.at), "status": each.status, "duration_ms": each.duration_ms, "error": each.error}
