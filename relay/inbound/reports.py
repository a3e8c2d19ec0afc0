"""Find the report in a mail that comes back to a tagged reverse-path, and apply it with the stored mail.

A report is about our message only where the address that it came to proves it (relay/signing/return_tag.py). What is
read is bounded: one HMAC for each recipient whose tag has the form, and the first MiB of a mail with a valid tag.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from relay.mail.headers import Headers
from relay.mail.parse import parse
from relay.mail.parsed_mail import Report
from relay.signing.return_tag import read_return_tag
from relay.spool import Spool
from relay.threads import by_size
from store.outbound.feedback import find_attempt_since
from store.records.mail import NewMessage
from store.transaction import Tx

KNOWN_FOR: Final = timedelta(days=30)  # a tag proves nothing longer
_READ_BYTES: Final = 1024 * 1024
_AT_ONCE: Final = 4 * 1024  # bytes that are read on the event loop; larger mails in a thread
SettleReport = Callable[[Tx, str, str, Report], None]
"""Apply a report in the transaction: to the outbound message and the send attempt of these ids."""
log = structlog.get_logger("relay.inbound")


def settle_nothing(tx: Tx, message_id: str, attempt_id: str, report: Report) -> None:
    """Apply no report: no mail is sent from here."""
    del tx, message_id, attempt_id, report


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What the tags of one mail's recipients prove: send attempts, by the id of the message to be stored."""

    moments: Mapping[str, str] = field(default_factory=dict)  # the time part of an attempt's id
    report: Report | None = None


def proven_moments(messages: list[NewMessage], *, key: bytes) -> dict[str, str]:
    """The time part of the attempt's id that a valid tag names, by message id."""
    tagged = ((each.id, read_return_tag(each.tag, each.agent, key=key)) for each in messages if each.tag)
    return {message_id: moment for message_id, moment in tagged if moment is not None}


async def find_reported(
    messages: list[NewMessage], headers: Headers, spool: Spool, *, null_sender: bool, key: bytes
) -> tuple[list[NewMessage], Reported]:
    """*messages* without the tags that this relay made, which name no topic of the owner; and what the tags prove."""
    moments = proven_moments(messages, key=key)
    if not moments:
        return messages, Reported()
    head = spool.head(_READ_BYTES)
    report = await by_size(len(head), lambda: parse(head, headers, null_sender=null_sender).report, above=_AT_ONCE)
    untagged = [replace(each, tag=None) if each.id in moments else each for each in messages]
    return untagged, Reported(moments=moments, report=report)


def keep_report(
    tx: Tx, message: NewMessage, reported: Reported, *, settle: SettleReport, now: datetime
) -> tuple[NewMessage, Callable[[], None] | None]:
    """*message* as it is stored, and what applies its report once it is stored; None where nothing is proven."""
    moment, report = reported.moments.get(message.id), reported.report
    if moment is None or report is None:
        return message, None
    found = find_attempt_since(tx, message.agent, moment, since=now - KNOWN_FOR)
    if found is None:
        return message, None
    return replace(message, report_of=found.message_id), lambda: settle(tx, found.message_id, found.id, report)


def log_reported(about: Iterable[str], reported: Reported) -> None:
    """Write a line for each outbound message that a stored mail reports about."""
    for message_id in about:
        if reported.report is not None:
            kind, recipients = reported.report.kind, len(reported.report.recipients)
            log.info("feedback_recorded", kind=kind, message_id=message_id, recipients=recipients)
