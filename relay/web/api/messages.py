"""Routes under /v1/agents/ADDRESS/messages: list, read, raw bytes, attachments."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from relay.errors import ContentGone
from relay.inbox import read
from relay.outbound.views import read_outbound_of_agent
from relay.web.access.dependencies import AgentReader, AgentWorker, HasLeft, InjectedAuth, InjectedContext
from relay.web.access.held_shares import InjectedShares
from relay.web.access.json_route import JsonRoute
from relay.web.access.paths import AGENT
from relay.web.answers.error_responses import raises
from relay.web.answers.files import FOR_SAVING, file_answer
from relay.web.answers.json import json_answer
from relay.web.schemas.common import StatusChange
from relay.web.schemas.messages import MarkedMessage, MessageDocument, MessagePage
from relay.web.schemas.outbound import OutboundDocument
from relay.web.schemas.parameters import AttachmentIndex, MessageId
from store.errors import MessageNotFound
from store.mail.messages import update_message_delivery_status
from store.mail.search import MessageFilter

router = APIRouter(prefix=f"{AGENT}/messages", tags=["messages"], route_class=JsonRoute)

_BYTES: Final = {"schema": {"type": "string", "format": "binary", "description": "The bytes."}}
_MAIL: Final[dict[str, Any]] = {"description": "The message.", "content": {"message/rfc822": _BYTES}}
_PART: Final[dict[str, Any]] = {
    "description": "The part, with the media type its sender gave it.",
    "content": {"*/*": _BYTES},
}
Peek = Annotated[bool, Query(description="Do not mark the message as read. A key without the scope `work` never does.")]


class MessageFilterQuery(BaseModel):
    """Filter of a message list; a field that is not given does not restrict it."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    status: Literal["unread", "read", "all"] = Field("unread", description="Only messages with this status.")
    from_address: str | None = Field(
        None, alias="from", max_length=320, description="Only messages from this From address, case-insensitive."
    )
    conversation_id: str | None = Field(None, max_length=36, description="Only messages of this conversation.")
    verified: bool | None = Field(None, description="Only messages whose sender was, or was not, verified.")
    since: AwareDatetime | None = Field(
        None, description="Only messages received at or after this time; RFC 3339 with an offset."
    )
    limit: int = Field(50, ge=1, le=200, description="Maximum number of items.")
    cursor: str | None = Field(None, max_length=100, description="The `next_cursor` of the previous page.")
    wait: float = Field(0, ge=0, le=60, description="Seconds to wait for a message if there is none.")


@router.get("", response_model=MessagePage)
async def list_messages(
    agent: AgentReader,
    ctx: InjectedContext,
    has_left: HasLeft,
    shares: InjectedShares,
    wanted: Annotated[MessageFilterQuery, Query()],
) -> Response:
    """List messages in order of arrival, without their texts.

    With `wait`, an empty list waits that many seconds for a message. With a filter a page may have fewer than
    `limit` items, or none, and still have a `next_cursor`: more pages follow.
    """
    if wanted.wait:
        shares.wait()
    page = await read.list_messages(
        agent.address,
        MessageFilter(**wanted.model_dump(exclude={"limit", "cursor", "wait"})),
        limit=wanted.limit,
        cursor=wanted.cursor,
        wait_seconds=wanted.wait,
        store=ctx.store,
        clock=ctx.clock,
        has_left=has_left,
    )
    return json_answer({"items": page.items, "next_cursor": page.next_cursor})


@router.get("/{message_id}", response_model=MessageDocument | OutboundDocument)
@raises(MessageNotFound)
async def get_message(
    agent: AgentReader,
    auth: InjectedAuth,
    ctx: InjectedContext,
    shares: InjectedShares,
    message_id: MessageId,
    *,
    peek: Peek = False,
) -> Response:
    """Get a complete message.

    An inbound message is marked as read, unless `peek=true` or the key lacks the scope `work`.
    """
    now = ctx.clock.now()
    peek = peek or shares.is_head or "work" not in auth.principal.key.scopes
    try:
        document = await read.read_message(
            agent.address, message_id, peek=peek, base_url=ctx.base_url, store=ctx.store, now=now, hold=shares.carry
        )
    except MessageNotFound:
        await shares.carry(await read.message_size(agent.address, message_id, store=ctx.store, now=now))
        written = await read_outbound_of_agent(agent.address, message_id, store=ctx.store, now=now)
        document = written.document(base_url=ctx.base_url)
    return json_answer(document)


@router.patch("/{message_id}", response_model=MarkedMessage)
@raises(MessageNotFound)
async def mark_message(
    agent: AgentWorker, ctx: InjectedContext, message_id: MessageId, change: StatusChange
) -> Response:
    """Mark a message as read or unread. An unread message can be leased again."""
    now = ctx.clock.now()
    message = await ctx.store.write(
        lambda tx: update_message_delivery_status(tx, agent.address, message_id, change.status, now=now)
    )
    return json_answer({"message_id": message.id, "status": message.status})


@router.get("/{message_id}/raw", response_class=Response, responses={200: _MAIL})
@raises(MessageNotFound, ContentGone)
async def get_raw(agent: AgentReader, ctx: InjectedContext, message_id: MessageId) -> StreamingResponse:
    """Get the stored bytes of a message.

    Those of an outbound message are kept until its final status.
    """
    size, parts = await read.read_raw(agent.address, message_id, store=ctx.store, now=ctx.clock.now())
    headers = FOR_SAVING | {
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="{message_id}.eml"',
    }
    return StreamingResponse(parts, media_type="message/rfc822", headers=headers)


@router.get("/{message_id}/attachments/{index}", response_class=Response, responses={200: _PART})
@raises(MessageNotFound)
async def get_attachment(
    agent: AgentReader, ctx: InjectedContext, shares: InjectedShares, message_id: MessageId, index: AttachmentIndex
) -> Response:
    """Get one attachment, decoded."""
    now = ctx.clock.now()
    await shares.carry(await read.message_size(agent.address, message_id, store=ctx.store, now=now))
    part = await read.read_attachment(agent.address, message_id, index, store=ctx.store, now=now)
    return file_answer(part.content, filename=part.filename or f"attachment-{index}", content_type=part.content_type)
