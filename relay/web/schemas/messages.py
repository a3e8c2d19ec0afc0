"""A message as the API shows it (contract §5), as /openapi.json describes it."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from relay.auth.verdict import Result
from relay.web.schemas.fields import (
    SHA256,
    AgentAddress,
    Automated,
    ConversationId,
    MessageId,
    NextCursor,
    RawSha256,
    RawSize,
    Subject,
    Time,
    Verified,
    VerifiedDomain,
)

_LINK = "https://mx.example/v1/agents/support%40agents.example/messages/msg_dn7luarbclidfshal6f39oa0p9b4w"

Detail = Annotated[str, Field(description="One sentence for people.", examples=["the signature is right"])]
Aligned = Annotated[bool, Field(description="With the From domain, whatever the result.")]
Word = Annotated[Result, Field(description="RFC 8601's word.", examples=["pass"])]
ReadStatus = Annotated[Literal["unread", "read"], Field(description="Whether the agent has read it.")]
MailId = Annotated[
    str | None, Field(description="Message-ID, with its angle brackets.", examples=["<1021@sender.example>"])
]


class Mailbox(BaseModel):
    """A name and an address, as the mail has them."""

    name: str = Field(description="Decoded; empty without one.", examples=["Ana"])
    address: str = Field(description="As written; not necessarily a valid one.", examples=["ana@sender.example"])


class SpfVerdict(BaseModel):
    """RFC 7208 of the envelope's sender."""

    result: Word
    domain: str | None = Field(description="What was checked.", examples=["sender.example"])
    aligned: Aligned
    detail: Detail


class DkimVerdict(BaseModel):
    """RFC 6376 of one signature."""

    result: Word
    domain: str | None = Field(description="Its `d=`.", examples=["sender.example"])
    selector: str | None = Field(description="Its `s=`.", examples=["s1"])
    aligned: Aligned
    algorithm: str | None = Field(description="Its `a=`.", examples=["rsa-sha256"])
    bits: int | None = Field(description="Of the public key, where it was found.", examples=[2048])
    detail: Detail


class DmarcVerdict(BaseModel):
    """RFC 9989 of the From domain."""

    result: Word
    policy: Literal["none", "quarantine", "reject"] | None = Field(
        description="The one that applies to this mail; null without a record.", examples=["reject"]
    )
    domain: str | None = Field(description="Where the record was found.", examples=["sender.example"])
    detail: Detail


class ArcVerdict(BaseModel):
    """RFC 8617 of the chain."""

    result: Word
    sealer: str | None = Field(description="`d=` of the newest seal.")
    detail: Detail


class Authentication(BaseModel):
    """Who sent the mail, with the reasons."""

    verified: Verified
    verified_domain: VerifiedDomain
    header_from: str | None = Field(
        description="The From domain; null when there is not exactly one.", examples=["sender.example"]
    )
    spf: SpfVerdict
    dkim: list[DkimVerdict] = Field(description="One for each signature.")
    dmarc: DmarcVerdict
    arc: ArcVerdict


class EnvelopeDocument(BaseModel):
    """What SMTP said, apart from the mail itself."""

    mail_from: str = Field(description="MAIL FROM; empty for the null path.", examples=["ana@sender.example"])
    rcpt_to: str = Field(description="RCPT TO.", examples=["support+eu@agents.example"])
    remote_ip: str | None = Field(description="Who brought it.", examples=["192.0.2.1"])
    helo: str | None = Field(description="What it called itself.", examples=["mx.sender.example"])
    tls: str | None = Field(description="Version of TLS it came over; null in clear.", examples=["TLSv1.3"])


class AttachmentDocument(BaseModel):
    """One attachment, without its bytes."""

    index: int = Field(description="Its number: what it is fetched by.", examples=[0])
    filename: str | None = Field(description="Safe to write and to show; null without one.", examples=["order.pdf"])
    content_type: str = Field(description="What the sender says it is.", examples=["application/pdf"])
    size: int = Field(description="Decoded bytes.", examples=[1234])
    sha256: str = Field(description="Of the decoded bytes, hexadecimal.", examples=[SHA256])
    content_id: str | None = Field(description="Without angle brackets; what HTML calls `cid:`.")
    inline: bool = Field(description="Meant to be shown within the text.")
    url: str = Field(description="Where its bytes are.", examples=[f"{_LINK}/attachments/0"])


class _Seen(BaseModel):
    """What lists and whole messages share."""

    message_id: MessageId
    agent: AgentAddress
    recipient: str = Field(description="The address it was sent to.", examples=["support+eu@agents.example"])
    tag: str | None = Field(description="What stood behind the `+` of it; null without one.", examples=["eu"])
    conversation_id: ConversationId | None
    envelope: EnvelopeDocument
    automated: Automated
    verified: Verified
    verified_domain: VerifiedDomain
    authentication: Authentication
    auth_headers: dict[str, str] = Field(
        description="The seal, by header: what proves who received what, when.",
        examples=[{"Mailseal-Version": "1", "Mailseal-Verified": "true"}],
    )
    raw_size: RawSize
    raw_sha256: RawSha256
    received_at: Time
    subject: Subject
    email_message_id: MailId


class MessageItem(_Seen):
    """A message as lists show it: without its texts."""

    status: ReadStatus
    from_: Mailbox = Field(alias="from", description="Who it says it is from.")


class MessagePage(BaseModel):
    """Messages without their texts, in order of arrival."""

    items: list[MessageItem] = Field(description="At most `limit`.")
    next_cursor: NextCursor


class MessageData(_Seen):
    """A message whole: the `data` of `email.received`."""

    from_: Mailbox | None = Field(alias="from", description="Who it says it is from.")
    reply_to: list[Mailbox] = Field(description="Where answers should go, if elsewhere.")
    to: list[Mailbox] = Field(description="To, as the mail has it.")
    cc: list[Mailbox] = Field(description="Cc, as the mail has it.")
    date: Time | None = Field(description="When its sender says it was written.")
    in_reply_to: MailId
    references: list[str] = Field(
        description="Message-IDs of the mails before, oldest first.", examples=[["<1020@agents.example>"]]
    )
    text: str = Field(description="What it says; read out of the HTML where there is no plain text.", examples=["Hi!"])
    html: str | None = Field(description="As a stranger wrote it: never run it.", examples=["<p>Hi!</p>"])
    reply_text: str = Field(description="The text without quoted history and signature.", examples=["Hi!"])
    truncated: bool = Field(description="Text or HTML was cut at 256 KiB.")
    attachments: list[AttachmentDocument] = Field(description="In the order of the mail.")
    headers: list[list[str]] = Field(
        description="Name and decoded value of each, topmost first.", examples=[[["Subject", "Order 1021"]]]
    )
    raw_url: str = Field(description="Where the mail's bytes are.", examples=[f"{_LINK}/raw"])
    raw: str | None = Field(
        description="The mail itself, base64, if it is no larger than 65536 bytes.", examples=["U3ViamVjdDogaGkNCg=="]
    )


class MessageDocument(MessageData):
    """A message whole."""

    status: ReadStatus


class MarkedMessage(BaseModel):
    """How a message is marked now."""

    message_id: MessageId
    status: ReadStatus
