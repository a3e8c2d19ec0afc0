"""Store one mail for all its recipients in one transaction, and once where it comes again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from relay.errors import Deferred
from relay.events.reading import MailReading
from relay.inbound.bytes import StoredMail
from relay.inbound.duplicates import Copies
from relay.inbound.reports import Reported, SettleReport, keep_report
from relay.inbound.returned import Returned, Revoked, revoke_returned
from relay.inbound.straight import ReservedMemory, StraightDelivery
from store.engine import Store
from store.errors import AgentNotFound
from store.mail.bodies import keep_ahead, keep_body
from store.mail.messages import create_claimed_message, create_inbound_message
from store.records.mail import FirstClaim, NewMessage
from store.transaction import Tx


@dataclass(frozen=True, slots=True)
class Kept:
    """What the transaction did."""

    ids: Sequence[str]  # in RCPT order: the message's own, or that of the first copy
    revoked: Sequence[Revoked]
    reported: Sequence[str] = ()  # outbound messages that a report was applied to
    claimed: Sequence[FirstClaim] = ()  # deliveries that this process posts


async def keep(
    mail: StoredMail,
    messages: Sequence[NewMessage],
    copies: Copies,
    returned: Returned,
    reported: Reported,
    *,
    settle_report: SettleReport,
    straight: StraightDelivery,
    reading: MailReading | None,
    store: Store,
    now: datetime,
) -> Kept:
    """Store *messages* with the bytes of *mail*, but for recipients that have a copy already.

    A report is applied to the outbound message that it is proven to be about, in the same transaction. Webhooks of a
    mail with a *reading* are handed to *straight* after the commit.

    Raises Deferred when a recipient was deleted, and the store's Unavailable.
    """
    if mail.content is None and None in await store.read(copies.first_ids):
        await keep_ahead(mail.sha256, mail.pieces(), store=store, now=now)

    def unit(tx: Tx, reserved: ReservedMemory) -> Kept:
        revoked = revoke_returned(tx, returned, now=now) if returned.links else ()
        first = copies.first_ids(tx)
        if None in first:
            keep_body(tx, mail.sha256, size=mail.size, content=mail.content, now=now)
        about, claimed = [], list[FirstClaim]()
        for place, message in enumerate(messages):
            if first[place] is None:
                proven, settle = keep_report(tx, message, reported, settle=settle_report, now=now)
                claimed += _insert(tx, proven, until=reserved.until(proven.agent))
                copies.keep(tx, place, message.id, now=now)
                if settle is not None and proven.report_of is not None:
                    settle()
                    about.append(proven.report_of)
        ids = [known or message.id for known, message in zip(first, messages, strict=True)]
        return Kept(ids, revoked, about, claimed)

    agents = [message.agent for message in messages] if reading else []
    try:
        with straight.reserve(agents, mail.size) as reserved:
            kept = await store.write(lambda tx: unit(tx, reserved))
            if kept.claimed and reading is not None:
                reserved.hand_over(kept.claimed, reading)
            return kept
    except AgentNotFound as error:
        # Deleted since its RCPT was answered. When the sender tries again, RCPT is refused for this agent only.
        raise Deferred("a recipient was deleted during the transaction") from error


def _insert(tx: Tx, message: NewMessage, *, until: datetime | None) -> Sequence[FirstClaim]:
    if until is None:
        create_inbound_message(tx, message)
        return ()
    claimed = create_claimed_message(tx, message, until=until)
    return (claimed,) if claimed is not None else ()
