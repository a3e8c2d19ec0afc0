"""Shared by approval page and console: decide by form, download a draft's file."""

from typing import Final

from starlette.responses import Response

from relay.errors import Deferred, Refused
from relay.outbound.review import approve, reject
from relay.web.access.context import WebContext
from relay.web.answers.files import file_answer
from relay.web.pages.forms import Form
from store.errors import DomainUnproven, InvalidValue, MessageNotFound, SendingPaused
from store.outbound.outbound import read_file
from store.records.outbound import OutboundMessage, Version

DECISIONS: Final = frozenset({"approve", "reject"})
# Errors of decide() after which the message is still pending.
STILL_PENDING: Final = (Refused, Deferred, SendingPaused, DomainUnproven, InvalidValue)
_MOST_FILES: Final = 2**31  # limit of integers in the database


async def decide(form: Form, user_id: str, message_id: str, *, seen: Version, ctx: WebContext) -> None:
    """Approve or reject as *form* says, if the draft is still at *seen*.

    Raises the errors of relay.outbound.review.
    """
    if form["decision"] == "approve":
        await approve(user_id, message_id, seen=seen, ctx=ctx.send_context)
    else:
        await reject(user_id, message_id, reason=form["reason"].strip() or None, seen=seen, ctx=ctx.send_context)


async def draft_file(message: OutboundMessage, number: int, *, ctx: WebContext) -> Response:
    """A download of file *number* of a draft. Raises MessageNotFound."""
    if not 0 <= number < _MOST_FILES:
        raise MessageNotFound
    file = await ctx.store.read(lambda tx: read_file(tx, message.id, number))
    return file_answer(file.content, filename=file.filename, content_type=file.content_type)
