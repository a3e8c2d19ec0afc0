"""Routes under /v1/account: export all data, erase the account."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from relay.account.export import export_account
from relay.web.access.dependencies import Admin, InjectedContext
from relay.web.answers.error_responses import raises
from relay.web.answers.json import json_answer
from relay.web.schemas.mail import ErasedAccount
from store.errors import UserNotFound
from store.upkeep.erasure import delete_user_data

router = APIRouter(prefix="/v1/account", tags=["account"])

_FOR_SAVING: Final = {
    "Content-Disposition": 'attachment; filename="mailseal-account.zip"',
    "Cache-Control": "private, no-store",
}
_ZIP: Final[dict[str, Any]] = {
    "description": "`account.jsonl` with one line for each record, and the messages under `raw/`.",
    "content": {"application/zip": {"schema": {"type": "string", "format": "binary", "description": "The bytes."}}},
}


@router.get("/export", response_class=Response, responses={200: _ZIP})
@raises(UserNotFound)
async def export(who: Admin, ctx: InjectedContext) -> StreamingResponse:
    """Export all data of the user as a zip file.

    A consistent snapshot: `account.jsonl` and the bytes of the messages. Contains no secrets.
    """
    parts = export_account(ctx.store, who.user.id, now=ctx.clock.now())
    return StreamingResponse(parts, media_type="application/zip", headers=_FOR_SAVING)


@router.delete("", response_model=ErasedAccount)
@raises(UserNotFound)
async def erase(who: Admin, ctx: InjectedContext) -> Response:
    """Erase the user and all of their data, permanently.

    The response gives the number of deleted rows of each table.
    """
    counts = await ctx.store.write(lambda tx: delete_user_data(tx, who.user.id))
    return json_answer({"deleted": counts})
