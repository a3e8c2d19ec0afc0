"""Routes under /v1/reviews: list, read, edit, approve, reject pending messages."""

from fastapi import APIRouter
from starlette.responses import Response

from relay.errors import BadDraft, CourierBusy, CourierRefused, MailTooLarge, OutboundOff, Suppressed
from relay.events.outbound import outbound_item
from relay.outbound import review
from relay.outbound.views import read_outbound_for_user
from relay.web.access.dependencies import Admin, InjectedContext, Reader
from relay.web.access.json_route import JsonRoute
from relay.web.answers.bodies import takes_message
from relay.web.answers.error_responses import raises
from relay.web.answers.json import json_answer
from relay.web.schemas.outbound import (
    ApproveRequest,
    EditRequest,
    OutboundDocument,
    OutboundItem,
    OutboundPage,
    RejectRequest,
)
from relay.web.schemas.parameters import Cursor, Limit, MessageId
from store.errors import DomainUnproven, MessageNotFound, NotPendingApproval, Outdated, SendingPaused
from store.outbound.holds import list_pending_outbound_for_user
from store.records.outbound import Version

router = APIRouter(prefix="/v1/reviews", tags=["reviews"], route_class=JsonRoute)


@router.get("", response_model=OutboundPage)
async def list_reviews(who: Reader, ctx: InjectedContext, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """List messages pending your approval, the one that expires first first."""
    now = ctx.clock.now()
    page = await ctx.store.read(
        lambda tx: list_pending_outbound_for_user(tx, who.user.id, limit=limit, cursor=cursor, now=now)
    )
    return json_answer({"items": [outbound_item(each) for each in page.items], "next_cursor": page.next_cursor})


@router.get("/{message_id}", response_model=OutboundDocument)
@raises(MessageNotFound)
async def get_review(who: Reader, ctx: InjectedContext, message_id: MessageId) -> Response:
    """Get one message complete, also after the decision."""
    written = await read_outbound_for_user(who.user.id, message_id, store=ctx.store, now=ctx.clock.now())
    return json_answer(written.document(base_url=ctx.base_url))


@router.patch("/{message_id}", response_model=OutboundItem)
@raises(MessageNotFound, NotPendingApproval, Outdated, BadDraft, MailTooLarge, Suppressed)
@takes_message
async def edit_review(who: Admin, ctx: InjectedContext, message_id: MessageId, wanted: EditRequest) -> Response:
    """Edit a pending message.

    Its `revision` increases, and links to the previous revision become invalid.
    """
    message = await review.amend(who.user.id, message_id, wanted.edit, seen=_seen(wanted), ctx=ctx.send_context)
    return json_answer(outbound_item(message))


@router.post("/{message_id}/approve", response_model=OutboundItem)
@raises(
    *(MessageNotFound, NotPendingApproval, Outdated, SendingPaused, BadDraft, MailTooLarge, Suppressed),
    *(CourierRefused, CourierBusy, OutboundOff, DomainUnproven),
)
@takes_message
async def approve(
    who: Admin, ctx: InjectedContext, message_id: MessageId, wanted: ApproveRequest | None = None
) -> Response:
    """Approve a message, with the given changes, and send it.

    The response has status `sent`, or `unconfirmed` if the provider may have accepted the message. If the provider
    certainly has not accepted it, the message stays pending and the response is a problem.
    """
    wanted = wanted or ApproveRequest()
    message = await review.approve(
        who.user.id, message_id, edit=wanted.edit, reason=wanted.reason, seen=_seen(wanted), ctx=ctx.send_context
    )
    return json_answer(outbound_item(message))


@router.post("/{message_id}/reject", response_model=OutboundItem)
@raises(MessageNotFound, NotPendingApproval, Outdated)
async def reject(
    who: Admin, ctx: InjectedContext, message_id: MessageId, wanted: RejectRequest | None = None
) -> Response:
    """Reject a message. It is not sent, and its content is removed."""
    wanted = wanted or RejectRequest()
    message = await review.reject(
        who.user.id, message_id, reason=wanted.reason, seen=_seen(wanted), ctx=ctx.send_context
    )
    return json_answer(outbound_item(message))


def _seen(wanted: EditRequest | RejectRequest) -> Version:
    return Version(wanted.revision, wanted.raw_sha256, wanted.approval_sha256)
