"""Whether it lives, whether it can take mail, and what it has counted."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from relay.metrics import CONTENT_TYPE
from relay.web.access.dependencies import InjectedContext
from relay.web.answers.error_responses import raises
from relay.web.answers.errors import NotReady
from relay.web.answers.json import json_answer
from relay.web.schemas.mail import Alive

router = APIRouter(tags=["health"])

_COUNTERS: Final[dict[str, Any]] = {
    "description": "Counters.",
    "content": {
        "text/plain": {
            "schema": {"type": "string", "description": "In Prometheus' text format."},
            "example": "mailseal_up 1\n",
        }
    },
}


@router.get("/healthz", response_model=Alive)
async def healthz() -> Response:
    """Alive: this answer is all there is to it."""
    return json_answer({"status": "ok"})


@router.get("/readyz", response_model=Alive)
@raises(NotReady)
async def readyz(ctx: InjectedContext) -> Response:
    """Able to accept mail: the doors are open and the store can be written."""
    if await ctx.is_ready():
        return json_answer({"status": "ok"})
    raise NotReady


@router.get("/metrics", response_class=Response, responses={200: _COUNTERS})
async def metrics(ctx: InjectedContext) -> Response:
    """Counters for Prometheus."""
    return Response(ctx.metrics.render(), headers={"Content-Type": CONTENT_TYPE})
