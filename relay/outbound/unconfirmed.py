"""What its owner says of a mail that is in doubt, or has failed: by API, by the console or by command."""

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


async def resolve(user_id: str, message_id: str, word: Resolution, *, agent: str, ctx: SendContext) -> OutboundMessage:
    """An ``unconfirmed`` mail of *agent* went out, or is to be sent again, as is one that has ``failed``.

    Raises MessageNotFound, for another agent's too; NotUnconfirmed for a mail that is neither.
    """
    now = ctx.clock.now()

    def unit(tx: Tx) -> OutboundMessage:
        get_outbound_message_of_agent(tx, agent, message_id, now=now)  # whoever asks may be let in for this one alone
        return apply_resolution(tx, user_id, message_id, word, ctx=ctx, now=now)

    message = await ctx.store.write(unit)
    log.info("message_resolved", message_id=message_id, agent=message.agent, user_id=user_id, status=message.status)
    return message


def apply_resolution(
    tx: Tx, user_id: str, message_id: str, word: Resolution, *, ctx: SendContext, now: datetime
) -> OutboundMessage:
    """As resolve does, in a transaction of the caller's."""
    found = get_outbound_message_for_user(tx, user_id, message_id, now=now)
    if found.status == "failed" and word == "send_again":
        return send_failed_again(tx, user_id, message_id, now=now)
    inside = partial(deliver_locally, ctx=ctx)  # what has gone out goes to the agents here, too
    return resolve_unconfirmed(tx, user_id, message_id, word, now=now, on_sent=inside)
