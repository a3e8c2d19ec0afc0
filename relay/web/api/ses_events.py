"""Where Amazon SNS posts what SES tells of mails. Not of the API: its one client knows the secret in the path."""

from typing import Final

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from relay.errors import SnsUnreachable, UnprovenEvent
from relay.outbound.feedback.ses_events import take_event
from relay.signing.secrets import same
from relay.web.access.dependencies import InjectedContext
from relay.web.answers.bodies import takes_bytes
from relay.web.answers.error_responses import raises
from relay.web.answers.json import json_answer
from relay.web.schemas.feedback import EventTaken

MAX_EVENT: Final = 262_144  # bytes, which is the most that SNS publishes

router = APIRouter()


@router.post("/ses/events/{secret}", response_model=EventTaken, include_in_schema=False)
@takes_bytes(MAX_EVENT)
@raises(UnprovenEvent, SnsUnreachable)
async def ses_event(secret: str, request: Request, ctx: InjectedContext) -> Response:
    """Take a message of SNS, which calls its JSON text/plain. Without the secret there is nothing here."""
    events = ctx.ses_events
    if events is None or not same(secret, events.secret):
        raise HTTPException(404)
    try:
        body = await request.body()
    except ClientDisconnect as error:
        raise HTTPException(400) from error
    await take_event(body, ctx=events)
    return json_answer({"status": "ok"})
