"""Whether it lives, whether it can take mail, and what it has counted."""

from fastapi import APIRouter
from starlette.responses import Response

from relay.metrics import CONTENT_TYPE
from relay.web.guard import TheHouse
from relay.web.problems import problem

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Alive: this answer is all there is to it."""
    return {"status": "ok"}


@router.get("/readyz", response_model=dict[str, str])
async def readyz(house: TheHouse) -> Response:
    """Able to accept mail: the doors are open and the store can be written."""
    if await house.is_ready():
        return Response(b'{"status":"ok"}', media_type="application/json")
    return problem(503, "not_ready", "mail would be answered 451 now", headers={"Retry-After": "5"})


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(house: TheHouse) -> Response:
    """Counters for Prometheus."""
    return Response(house.metrics.render(), headers={"Content-Type": CONTENT_TYPE})
