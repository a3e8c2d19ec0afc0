"""What its owner says of a mail that is in doubt, or has failed."""

from typing import Literal

import structlog

from relay.outbound.inside import hand_inside
from relay.outbound.office import Office
from store.doubt import resolve_unconfirmed, send_failed_again
from store.outbound import get_outbound_message_for_user
from store.records_outbound import OutboundMessage
from store.transaction import Tx

Word = Literal["sent", "send_again"]
log = structlog.get_logger("relay.outbound")


async def resolve(user_id: str, message_id: str, word: Word, *, by: Office) -> OutboundMessage:
    """An ``unconfirmed`` mail went out, or is to be sent again, as is one that has ``failed``.

    Raises MessageNotFound, NotUnconfirmed for a mail that is neither.
    """
    now = by.clock.now()

    def unit(tx: Tx) -> OutboundMessage:
        found = get_outbound_message_for_user(tx, user_id, message_id, now=now)
        if found.status == "failed" and word == "send_again":
            return send_failed_again(tx, user_id, message_id, now=now)
        return resolve_unconfirmed(
            tx, user_id, message_id, word, now=now, also=lambda tx, message: hand_inside(tx, message, by=by)
        )

    message = await by.store.write(unit)
    log.info("resolved", message_id=message_id, agent=message.agent, by=user_id, status=message.status)
    return message
