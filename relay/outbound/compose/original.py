"""The message that is answered or forwarded, parsed once."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from relay.mail.fields.automatic import Reason
from relay.mail.fields.mailbox import Mailbox
from relay.mail.headers import split_headers
from relay.mail.parse import attachments, parse
from relay.mail.summary import summarise
from relay.outbound.compose.body_part import attachable_type
from store.mail.conversations import bare_id
from store.names import as_line
from store.records.outbound import AnsweredMessage, OutboundAttachment

_UNNAMED: Final = "attachment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The parts of a message that its reply or forward uses."""

    from_: Mailbox | None
    reply_to: tuple[Mailbox, ...]
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    subject: str
    date: datetime | None  # aware
    message_id: str | None  # without angle brackets
    in_reply_to: str | None  # without angle brackets
    references: tuple[str, ...]  # without angle brackets, oldest first
    text: str
    automated_reason: Reason | None = None
    raw: bytes = field(repr=False)

    @property
    def answered(self) -> AnsweredMessage:
        """The ids a reply names (RFC 5322 §3.6.4): its References, or its In-Reply-To, and its own id last."""
        before = self.references or ((self.in_reply_to,) if self.in_reply_to else ())
        return AnsweredMessage(
            in_reply_to=self.message_id, references=(*before, *([self.message_id] if self.message_id else ()))
        )


def read_original(raw: bytes) -> Original:
    """Parse *raw*. Costs as much as relay.mail.parse; never raises."""
    headers = split_headers(raw)
    summary = summarise(headers)
    return Original(
        from_=summary.from_,
        reply_to=summary.reply_to,
        to=summary.to,
        cc=summary.cc,
        subject=summary.subject,
        date=summary.date,
        message_id=bare_id(summary.email_message_id) if summary.email_message_id else None,
        in_reply_to=bare_id(summary.in_reply_to) if summary.in_reply_to else None,
        references=tuple(bare_id(each) for each in summary.references),
        text=parse(raw, headers).text,
        automated_reason=summary.automated_reason,
        raw=raw,
    )


def files_in(raw: bytes) -> tuple[OutboundAttachment, ...]:
    """The attachments of *raw*, ready to be sent again, without those that are inside others.

    Costs as much as relay.mail.parse; never raises.
    """
    return tuple(
        OutboundAttachment(
            filename=as_line(part.filename or "").strip() or _UNNAMED,
            content_type=attachable_type(part.content_type),
            content=part.content,
        )
        for part in attachments(raw)
        if not part.unpacked
    )
