"""Draft a reply to a message, or its forward. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from relay.errors import BadAddress
from relay.mail.address import parse_mailbox
from relay.mail.fields.mailbox import Mailbox
from relay.outbound.compose.original import Original, files_in
from relay.outbound.compose.quoting import forwarded_below, quoted_below
from relay.outbound.compose.recipients import settle_recipients, with_name
from relay.outbound.compose.subject import forward_subject, reply_subject
from store.names import as_line
from store.outbound.outbound import MAX_NAME
from store.records.outbound import AnsweredMessage, Draft, OutboundAttachment, RecipientSet

_WHOLE: Final = "original.eml"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerDraft:
    """A draft and the ids of the message that it answers."""

    draft: Draft
    answered: AnsweredMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageText:
    """The agent's own text, HTML and files."""

    text: str | None = None
    html: str | None = None
    files: tuple[OutboundAttachment, ...] = field(default=(), repr=False)


def reply(
    original: Original, words: MessageText, *, agent: str, reply_all: bool = False, quote: bool = True
) -> AnswerDraft:
    """Draft a reply to the author of *original* (RFC 5322 §3.6.2: Reply-To, else From), or to all.

    Raises BadDraft where no recipient is left, or there are more than a message may have.
    """
    to, cc = _answerable(original.reply_to or _from(original), agent), _answerable(original.cc, agent)
    others = _answerable(original.to, agent)
    if not to:  # the agent's own message: the reply goes to its recipients
        to, others = others, ()
    recipients = settle_recipients(to=to, cc=(*others, *cc) if reply_all else (), agent=agent)
    text, html = quoted_below(original, words.text, words.html) if quote else (words.text, words.html)
    return AnswerDraft(
        draft=_draft(recipients, reply_subject(original.subject), text, html, words.files), answered=original.answered
    )


def forward(original: Original, words: MessageText, *, recipients: RecipientSet, whole: bool = False) -> AnswerDraft:
    """*original* to *recipients*: its text below *words* with its files, or *whole* as a mail inside the mail."""
    if whole:
        mail = OutboundAttachment(filename=_WHOLE, content_type="message/rfc822", content=original.raw)
        text, html, files = words.text, words.html, (*words.files, mail)
    else:
        text, html = forwarded_below(original, words.text, words.html)
        files = (*words.files, *files_in(original.raw))
    # No In-Reply-To: a forward is no reply, but mail readers show it in the same thread.
    answered = AnsweredMessage(references=original.answered.references)
    return AnswerDraft(
        draft=_draft(recipients, forward_subject(original.subject), text, html, files), answered=answered
    )


def _draft(
    recipients: RecipientSet, subject: str, text: str | None, html: str | None, files: Iterable[OutboundAttachment]
) -> Draft:
    return Draft.addressed(recipients, subject=subject, text=text, html=html, attachments=tuple(files))


def _from(original: Original) -> tuple[Mailbox, ...]:
    return (original.from_,) if original.from_ else ()


def _answerable(mailboxes: Sequence[Mailbox], agent: str) -> tuple[str, ...]:
    """The valid addresses among *mailboxes*, with their names, without the agent's own."""
    found = []
    for mailbox in mailboxes:
        try:
            address = parse_mailbox(mailbox.address)
        except BadAddress:
            continue
        if address.local.isascii() and address.mailbox != agent:
            found.append(with_name(as_line(mailbox.name).strip()[:MAX_NAME], str(address)))
    return tuple(found)
