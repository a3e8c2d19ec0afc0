"""Route /v1/usage: messages received and sent by a user's agents, by day."""

from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from relay.web.access.dependencies import InjectedContext, Reader
from relay.web.answers.json import json_answer
from relay.web.schemas.mail import UsagePage
from store.mail.usage import list_usage
from store.records.people import DayUsage

router = APIRouter(prefix="/v1", tags=["account"])

_DEFAULT_SPAN = timedelta(days=29)


@router.get("/usage", response_model=UsagePage)
async def usage(
    who: Reader,
    ctx: InjectedContext,
    first: Annotated[
        date | None, Query(alias="from", description="First day, UTC; default 29 days before `to`.")
    ] = None,
    last: Annotated[date | None, Query(alias="to", description="Last day, UTC, included; default today.")] = None,
) -> Response:
    """List counts and bytes by day, oldest first, for at most 366 days.

    Days without messages are left out.
    """
    until = last or ctx.clock.now().date()
    since = first or until - min(_DEFAULT_SPAN, until - date.min)
    days = await ctx.store.read(lambda tx: list_usage(tx, who.user.id, first=since, last=until))
    return json_answer({"from": str(since), "to": str(until), "items": [_document(day) for day in days]})


def _document(day: DayUsage) -> dict[str, Any]:
    counted: dict[str, Any] = {
        kind: {"count": amount.count, "bytes": amount.bytes} for kind, amount in day.kinds.items()
    }
    return {"day": str(day.day), **counted}
