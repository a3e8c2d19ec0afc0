"""Apply a report that came back by mail and is proven to be about one of our send attempts, as a provider's event."""

from collections.abc import Sequence
from typing import Final

from relay.mail.parsed_mail import Report, ReportRecipient
from relay.outbound.context import SendContext
from relay.outbound.feedback.feedback import settle_event
from relay.outbound.feedback.provider_event import ProviderEvent, RecipientFeedback
from store.names import as_line, normalise_or_none
from store.outbound.feedback import MAX_DETAIL
from store.outbound.outbound import get_outbound_message
from store.records.feedback import FeedbackKind
from store.transaction import Tx

_PROVIDER: Final = "the smarthost"
_KINDS: Final[dict[str, FeedbackKind]] = {
    "failed": "bounced", "delayed": "delayed", "delivered": "delivered", "relayed": "delivered",
    "expanded": "delivered",
}  # fmt: skip
# Permanent for this mail and not for the address (RFC 3463 §3): the mailbox is full, the mail too long, its content
# or a policy. The next mail may be accepted.
_ABOUT_THE_MAIL: Final = ("5.2.2", "5.2.3", "5.3.4", "5.6.", "5.7.")


def settle_report(tx: Tx, message_id: str, attempt_id: str, report: Report, *, ctx: SendContext) -> None:
    """Apply *report* about the attempt *attempt_id* of the outbound message *message_id*.

    Only recipients of the message count. The same statement about a recipient has effects once, however many reports
    repeat it: the ids of its events depend on nothing else.
    """
    addressed = {normalise_or_none(address) for address in get_outbound_message(tx, message_id).all_recipients} - {None}
    for event in _events(report, attempt_id, sorted(each for each in addressed if each)):
        settle_event(tx, event, ctx=ctx)


def _events(report: Report, attempt_id: str, addressed: Sequence[str]) -> list[ProviderEvent]:
    parts: dict[tuple[FeedbackKind, bool], dict[str, RecipientFeedback]] = {}
    for each in _recipients(report, addressed):
        address, kind = normalise_or_none(each.address), _kind(report, each)
        if kind is None or address is None or address not in addressed:
            continue
        detail = as_line(each.diagnostic or each.status)[:MAX_DETAIL]
        found = RecipientFeedback(recipient=address, address=address, detail=detail)
        parts.setdefault((kind, _is_permanent(kind, each.status)), {}).setdefault(address, found)
    return [
        ProviderEvent(
            provider=_PROVIDER,
            kind=kind,
            event_id=f"report/{kind}/{'permanent' if is_permanent else 'transient'}",
            provider_message_id=attempt_id,
            attempt_id=attempt_id,
            message_id=None,
            is_permanent=is_permanent,
            recipients=tuple(by_address[address] for address in sorted(by_address)),
            at=None,
        )
        for (kind, is_permanent), by_address in sorted(parts.items())
    ]


def _recipients(report: Report, addressed: Sequence[str]) -> Sequence[ReportRecipient]:
    """The recipients of the report; a complaint may hide its only one (RFC 5965 §3.2, RFC 6590)."""
    if report.kind == "complaint" and not report.recipients and len(addressed) == 1:
        return [ReportRecipient(address=addressed[0], action="", status="", diagnostic="")]
    return report.recipients


def _kind(report: Report, recipient: ReportRecipient) -> FeedbackKind | None:
    if report.kind == "complaint":
        return "complained"
    return None if report.kind == "read" else _KINDS.get(recipient.action)


def _is_permanent(kind: FeedbackKind, status: str) -> bool:
    if kind == "complained":
        return True
    return kind == "bounced" and status.startswith("5.") and not status.startswith(_ABOUT_THE_MAIL)
