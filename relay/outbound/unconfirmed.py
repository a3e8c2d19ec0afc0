"""Resolve an ``unconfirmed`` or ``failed`` message by its owner's word: API, console and command line."""

from datetime import datetime
from functools import partial
from typing import Literal

import structlog

from relay.outbound.context import SendContext
from relay.outbound.local_delivery import deliver_locally
from store.outbound.outbound import get_outbound_message_for_user, get_outbound_message_of_agent
from store.outbound.unconfirmed import resolve_unconfirmed, send_failed_again
from store.records.outbound import OutboundMessage
from store.transaction import Tx

Resolution = Literal["sent", "send_again"]
log = structlog.get_logger("relay.outbound")


async def resolve(
    user_id: str, message_id: str, resolution: Resolution, *, agent: str, ctx: SendContext
) -> OutboundMessage:
    """Resolve an ``unconfirmed`` message of *agent* as sent, or send it (or a ``failed`` one) again.

    Raises MessageNotFound, also for a message of another agent; NotUnconfirmed for any other status.
    """
    now = ctx.clock.now()

    def unit(tx: Tx) -> OutboundMessage:
        get_outbound_message_of_agent(
            tx, agent, message_id, now=now
        )  # the request may be authorised for this agent alone
        return apply_resolution(tx, user_id, message_id, resolution, ctx=ctx, now=now)

    message = await ctx.store.write(unit)
    log.info("message_resolved", message_id=message_id, agent=message.agent, user_id=user_id, status=message.status)
    return message


def apply_resolution(
    tx: Tx, user_id: str, message_id: str, resolution: Resolution, *, ctx: SendContext, now: datetime
) -> OutboundMessage:
    """As resolve, in the caller's transaction."""
    found = get_outbound_message_for_user(tx, user_id, message_id, now=now)
    if found.status == "failed" and resolution == "send_again":
        return send_failed_again(tx, user_id, message_id, now=now)
    on_sent = partial(deliver_locally, ctx=ctx)
    return resolve_unconfirmed(tx, user_id, message_id, resolution, now=now, on_sent=on_sent)
