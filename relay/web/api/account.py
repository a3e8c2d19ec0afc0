"""The account as a whole: taken along, and taken away."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from relay.account.export import export_account
from relay.web.answers import json_answer
from relay.web.guard import Admin, TheHouse
from relay.web.shapes_mail import ErasedAccount
from store.erasure import delete_user_data

router = APIRouter(prefix="/v1/account", tags=["account"])

_FOR_SAVING: Final = {
    "Content-Disposition": 'attachment; filename="mailseal-account.zip"',
    "Cache-Control": "private, no-store",
}


@router.get("/export", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
async def export(who: Admin, house: TheHouse) -> StreamingResponse:
    """Everything the user owns, of one moment, as a zip: `account.jsonl` and the mails. No secrets."""
    parts = export_account(house.store, who.user.id, now=house.clock.now())
    headers = {
        "Content-Disposition": 'attachment; filename="mailseal-account.zip"',
        "Cache-Control": "private, no-store",
    }
    return StreamingResponse(parts, media_type="application/zip", headers=headers)


@router.delete("", response_model=ErasedAccount)
async def erase(who: Admin, house: TheHouse) -> Response:
    """Take the user away with everything that is theirs, for good; answers how many rows of each table went."""
    counts = await house.store.write(lambda tx: delete_user_data(tx, who.user.id))
    return json_answer({"deleted": counts})
