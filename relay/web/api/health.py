"""Health checks /healthz and /readyz, and Prometheus metrics."""

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
    "description": "Metrics.",
    "content": {
        "text/plain": {
            "schema": {"type": "string", "description": "Prometheus text format."},
            "example": "mailseal_up 1\n",
        }
    },
}


@router.get("/healthz", response_model=Alive)
async def healthz() -> Response:
    """Liveness check: the process answers."""
    return json_answer({"status": "ok"})


@router.get("/readyz", response_model=Alive)
@raises(NotReady)
async def readyz(ctx: InjectedContext) -> Response:
    """Readiness check: the SMTP and HTTP servers listen and the database is writable."""
    if await ctx.is_ready():
        return json_answer({"status": "ok"})
    raise NotReady


@router.get("/metrics", response_class=Response, responses={200: _COUNTERS})
async def metrics(ctx: InjectedContext) -> Response:
    """Metrics for Prometheus, of all workers together."""
    return Response(ctx.metrics.render(await ctx.peer_metrics()), headers={"Content-Type": CONTENT_TYPE})
