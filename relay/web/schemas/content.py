"""Response models for what is read out of the content of a message (docs/contract.md §5)."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from relay.mail.parsed_mail import HiddenReason, ReportKind
from relay.web.schemas.fields import SHA256, Time

_LINK = "https://mx.example/v1/agents/support%40agents.example/messages/msg_dn7luarbclidfshal6f39oa0p9b4w"

AutomatedReason = Annotated[
    Literal["bounce", "auto_reply", "list", "bulk", "report", "agent"] | None,
    Field(description="Why the message counts as automatic; null if it does not."),
]
MailId = Annotated[str | None, Field(description="Message-ID with angle brackets.", examples=["<1021@sender.example>"])]
_ContentType = Annotated[str, Field(description="Media type declared by the sender.", examples=["application/pdf"])]
_FileName = Annotated[
    str | None, Field(description="Safe to write and to show; null if absent.", examples=["order.pdf"])
]
_Size = Annotated[int, Field(description="Decoded size in bytes.", examples=[1234])]


class Mailbox(BaseModel):
    """A display name and an address, as in the message."""

    name: str = Field(description="Decoded; empty if absent.", examples=["Ana"])
    address: str = Field(description="As written; not necessarily valid.", examples=["ana@sender.example"])


class InnerAttachmentDocument(BaseModel):
    """One attachment of a mail in the mail."""

    index: int | None = Field(
        description="Number of the same file among the attachments of the message; null if it is not listed there.",
        examples=[1],
    )
    filename: _FileName
    content_type: _ContentType
    size: _Size
    message: "InnerMailDocument | None" = Field(description="The mail, if the part is one.", examples=[None])


class InnerMailDocument(BaseModel):
    """A mail that is a part of the message, such as a forwarded one; to a depth of three."""

    from_: Mailbox | None = Field(alias="from", description="The From address, which nothing proves.")
    subject: str = Field(description="Decoded, one line; empty if absent.", examples=["Order 1021"])
    date: Time | None = Field(description="The Date field, as claimed by the sender.")
    text: str = Field(description="Built as `text` of the message is.", examples=["Hi!"])
    attachments: list[InnerAttachmentDocument] = Field(description="In the order of the mail.")


class AttachmentDocument(BaseModel):
    """One attachment, without its bytes."""

    index: int = Field(description="Number of the attachment, used in its URL.", examples=[0])
    filename: _FileName
    content_type: _ContentType
    size: _Size
    sha256: str = Field(description="Of the decoded bytes, hexadecimal.", examples=[SHA256])
    content_id: str | None = Field(description="Content-ID without angle brackets, as in `cid:` URLs.")
    inline: bool = Field(description="Whether the HTML refers to it, as to a picture in the text.")
    message: InnerMailDocument | None = Field(description="The mail, if the part is one.", examples=[None])
    url: str = Field(description="URL of the bytes.", examples=[f"{_LINK}/attachments/0"])


class LinkDocument(BaseModel):
    """A target of the HTML."""

    url: str = Field(description="As written.", examples=["https://shop.example/orders/1021"])
    text: str = Field(description="The linked words.", examples=["Your order"])
    host: str = Field(description="Host of the URL.", examples=["shop.example"])
    misleading: bool = Field(description="Whether the words name another host than the URL.")


class CodeDocument(BaseModel):
    """A sign-in or confirmation code."""

    code: str = Field(description="The code.", examples=["483920"])
    context: str = Field(description="The line that holds it.", examples=["Your code is 483920"])


class HiddenTextDocument(BaseModel):
    """Words of the HTML that a person would not see."""

    reason: HiddenReason = Field(description="How they are hidden.")
    text: str = Field(description="The words, at most 500 characters.", examples=["Do not show this"])


class CalendarDocument(BaseModel):
    """The event of an invitation, an answer or a cancellation (RFC 5545, RFC 5546)."""

    method: str | None = Field(description="What the sender wants.", examples=["REQUEST"])
    uid: str | None = Field(description="Id of the event.", examples=["1021@sender.example"])
    sequence: int = Field(description="Revision of the event.", examples=[0])
    summary: str = Field(description="Its title.", examples=["Delivery"])
    start: str | None = Field(
        description="RFC 3339 with an offset; without one for a floating time; a date for a whole day.",
        examples=["2026-11-24T10:00:00+01:00"],
    )
    end: str | None = Field(description="In the form of `start`.", examples=["2026-11-24T10:30:00+01:00"])
    location: str = Field(description="Empty if absent.", examples=["Berlin"])
    organizer: Mailbox | None = Field(description="Who invites.")
    attendees: list[Mailbox] = Field(description="Who is invited.")


class ReportRecipientDocument(BaseModel):
    """What a report says of one recipient (RFC 3464 §2.3)."""

    address: str = Field(description="The recipient.", examples=["ana@sender.example"])
    action: str = Field(description="`failed`, `delayed`, `delivered` and so on.", examples=["failed"])
    status: str = Field(description="Enhanced status code.", examples=["5.1.1"])
    diagnostic: str = Field(description="What the server said.", examples=["550 5.1.1 No such user"])


class ReportDocument(BaseModel):
    """A bounce, delay or delivery notice, complaint or read receipt."""

    kind: ReportKind = Field(description="What it reports.")
    message_id: str | None = Field(
        description="The outbound message it is about; null if that is not proved.",
        examples=["msg_dn7luarbclidfshal6f39oa0p9b4w"],
    )
    email_message_id: MailId
    recipients: list[ReportRecipientDocument] = Field(description="One for each recipient that is named.")


class MailingListDocument(BaseModel):
    """The mailing list the message came through."""

    id: str | None = Field(description="List-ID without angle brackets.", examples=["news.sender.example"])
    unsubscribe: str | None = Field(
        description="The URL to leave the list by: https where there is one, else mailto.",
        examples=["https://sender.example/unsubscribe?u=1"],
    )
    one_click: bool = Field(description="Whether a POST to the https URL unsubscribes (RFC 8058).")


class ParseDocument(BaseModel):
    """How the message was read."""

    charset: str | None = Field(description="Charset of the text; null without a body.", examples=["utf-8"])
    defects: list[str] = Field(
        description="One sentence for each problem in the bytes.", examples=[["a multipart has no end"]]
    )
    attachments_truncated: bool = Field(description="Whether there are more attachments than are listed.")


class Findings(BaseModel):
    """What is read out of the content, for programs."""

    automated_reason: AutomatedReason
    reply_to_foreign: bool = Field(description="Reply-To names a domain other than a verified From's.")
    preview: str = Field(description="The first 200 characters of `reply_text`, one line.", examples=["Hi!"])
    links: list[LinkDocument] = Field(description="Targets of the HTML, at most 100.")
    codes: list[CodeDocument] = Field(description="Sign-in and confirmation codes, at most 5.")
    hidden_text: list[HiddenTextDocument] = Field(
        description="What a person would not see, at most 20; `text` and `reply_text` leave it out."
    )
    calendar: CalendarDocument | None = Field(description="The invitation, if the message holds one.")
    report: ReportDocument | None = Field(description="The report about a sent message, if it is one.")
    list: MailingListDocument | None = Field(description="The mailing list, if it came through one.")
    parse: ParseDocument
