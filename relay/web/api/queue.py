"""Routes of the poll queue: lease, ack, nack, extend."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from relay.inbox import lease as queue
from relay.web.access.dependencies import AgentWorker, HasLeft, InjectedContext
from relay.web.access.held_shares import InjectedShares
from relay.web.access.json_route import JsonRoute
from relay.web.access.paths import AGENT
from relay.web.answers.json import json_answer
from relay.web.schemas.common import (
    AckRequest,
    ExtendRequest,
    LeasePage,
    LeaseRequest,
    NackRequest,
    ReceiptResults,
)

router = APIRouter(prefix=f"{AGENT}/queue", tags=["queue"], route_class=JsonRoute)

_LOST: Final[dict[int | str, dict[str, Any]]] = {
    409: {"model": ReceiptResults, "description": "At least one lease had expired: `lease_lost`."}
}


@router.post("/lease", response_model=LeasePage)
async def lease(
    agent: AgentWorker,
    ctx: InjectedContext,
    has_left: HasLeft,
    shares: InjectedShares,
    wanted: LeaseRequest | None = None,
) -> Response:
    """Lease messages.

    A leased message is given to no other caller until its lease expires. Fewer messages than `max` are leased when
    they have more than 4 MiB together; a larger message is leased alone.
    """
    wanted = wanted or LeaseRequest()
    if wanted.wait:
        shares.wait()
    items = await queue.lease(
        agent.address,
        limit=wanted.max,
        lease_seconds=wanted.lease_seconds,
        wait_seconds=wanted.wait,
        base_url=ctx.base_url,
        store=ctx.store,
        clock=ctx.clock,
        has_left=has_left,
        held=shares,
    )
    return json_answer({"items": items})


@router.post("/ack", response_model=ReceiptResults, responses=_LOST)
async def ack(agent: AgentWorker, ctx: InjectedContext, request: AckRequest) -> Response:
    """Acknowledge processed messages. 409 if a lease had expired.

    The other receipts are acknowledged anyway.
    """
    held = await queue.ack(agent.address, request.receipts, store=ctx.store, now=ctx.clock.now())
    return _results(held)


@router.post("/nack", response_model=ReceiptResults, responses=_LOST)
async def nack(agent: AgentWorker, ctx: InjectedContext, request: NackRequest) -> Response:
    """Return messages to the queue, available after `delay_seconds`. 409 as for ack."""
    held = await queue.nack(
        agent.address, request.receipts, delay_seconds=request.delay_seconds, store=ctx.store, now=ctx.clock.now()
    )
    return _results(held)


@router.post("/extend", response_model=ReceiptResults, responses=_LOST)
async def extend(agent: AgentWorker, ctx: InjectedContext, request: ExtendRequest) -> Response:
    """Extend leases to `lease_seconds` from now. 409 as for ack."""
    held = await queue.extend(
        agent.address, request.receipts, lease_seconds=request.lease_seconds, store=ctx.store, now=ctx.clock.now()
    )
    return _results(held)


def _results(held: dict[str, bool]) -> Response:
    items = [
        {"receipt": receipt, "status": 200 if alive else 409, "code": None if alive else "lease_lost"}
        for receipt, alive in held.items()
    ]
    return json_answer({"items": items}, 200 if all(held.values()) else 409)
