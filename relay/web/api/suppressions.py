"""Routes under /v1/suppressions: list and lift suppressed recipients."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import Response

from relay.clock import rfc3339
from relay.web.access.dependencies import Admin, InjectedContext, Reader
from relay.web.answers.error_responses import raises
from relay.web.answers.json import json_answer
from relay.web.http.limits import DEFAULT_PAGE
from relay.web.schemas.feedback import SuppressionPage
from relay.web.schemas.parameters import Limit, NameCursor
from store.errors import SuppressionNotFound
from store.outbound.suppression import lift_suppression, list_suppressions
from store.records.feedback import Suppression

router = APIRouter(prefix="/v1/suppressions", tags=["suppressions"])

Recipient = Annotated[str, Path(description="The address, URL-encoded.", examples=["ana@reader.example"])]


@router.get("", response_model=SuppressionPage)
async def suppressions(
    who: Reader, ctx: InjectedContext, limit: Limit = DEFAULT_PAGE, cursor: NameCursor = None
) -> Response:
    """List recipients that bounced permanently or complained, by address.

    Sending to them fails with `suppressed`.
    """
    page = await ctx.store.read(lambda tx: list_suppressions(tx, who.user.id, limit=limit, cursor=cursor))
    return json_answer({"items": [_document(each) for each in page.items], "next_cursor": page.next_cursor})


@router.delete("/{recipient:agent}", status_code=204, response_class=Response)
@raises(SuppressionNotFound)
async def lift(who: Admin, ctx: InjectedContext, recipient: Recipient) -> Response:
    """Lift a suppression: agents may send to the address again.

    A new bounce or complaint suppresses it again.
    """
    await ctx.store.write(lambda tx: lift_suppression(tx, who.user.id, recipient))
    return Response(status_code=204)


def _document(each: Suppression) -> dict[str, Any]:
    return {
        "address": each.address,
        "reason": each.reason,
        "detail": each.detail,
        "message_id": each.message_id,
        "created_at": rfc3339(each.created_at),
    }
