"""Response models for received messages (docs/contract.md §5)."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from relay.auth.verdict import Result
from relay.web.schemas.content import AttachmentDocument, Findings, Mailbox, MailId
from relay.web.schemas.fields import (
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

Detail = Annotated[str, Field(description="One sentence for people.", examples=["a valid signature"])]
Aligned = Annotated[bool, Field(description="Whether the domain is aligned with the From domain, for every result.")]
Word = Annotated[Result, Field(description="Result as in RFC 8601.", examples=["pass"])]
ReadStatus = Annotated[Literal["unread", "read"], Field(description="Whether the agent has read the message.")]


class SpfVerdict(BaseModel):
    """SPF result (RFC 7208) of the envelope sender."""

    result: Word
    domain: str | None = Field(description="The domain that was checked.", examples=["sender.example"])
    aligned: Aligned
    detail: Detail


class DkimVerdict(BaseModel):
    """DKIM result (RFC 6376) of one signature."""

    result: Word
    domain: str | None = Field(description="Signing domain, `d=`.", examples=["sender.example"])
    selector: str | None = Field(description="Selector, `s=`.", examples=["s1"])
    aligned: Aligned
    algorithm: str | None = Field(description="Algorithm, `a=`.", examples=["rsa-sha256"])
    bits: int | None = Field(description="Length of the public key, if it was found.", examples=[2048])
    detail: Detail


class DmarcVerdict(BaseModel):
    """DMARC result (RFC 9989) of the From domain."""

    result: Word
    policy: Literal["none", "quarantine", "reject"] | None = Field(
        description="The policy that applies to this message; null without a record.", examples=["reject"]
    )
    domain: str | None = Field(description="The domain that publishes the record.", examples=["sender.example"])
    detail: Detail


class ArcVerdict(BaseModel):
    """ARC result (RFC 8617) of the chain."""

    result: Word
    sealer: str | None = Field(description="`d=` of the newest seal.")
    detail: Detail


class Authentication(BaseModel):
    """Result of sender authentication."""

    verified: Verified
    verified_domain: VerifiedDomain
    header_from: str | None = Field(
        description="The From domain; null if there is not exactly one.", examples=["sender.example"]
    )
    spf: SpfVerdict
    dkim: list[DkimVerdict] = Field(description="One for each signature.")
    dmarc: DmarcVerdict
    arc: ArcVerdict


class EnvelopeDocument(BaseModel):
    """The SMTP envelope of the message."""

    mail_from: str = Field(description="MAIL FROM; empty for the null sender `<>`.", examples=["ana@sender.example"])
    rcpt_to: str = Field(description="RCPT TO.", examples=["support+eu@agents.example"])
    remote_ip: str | None = Field(description="IP address of the SMTP client.", examples=["192.0.2.1"])
    helo: str | None = Field(description="HELO or EHLO name of the SMTP client.", examples=["mx.sender.example"])
    tls: str | None = Field(description="TLS version of the connection; null without TLS.", examples=["TLSv1.3"])


class _Seen(BaseModel):
    """Fields common to list items and complete messages."""

    message_id: MessageId
    agent: AgentAddress
    recipient: str = Field(description="The RCPT TO address.", examples=["support+eu@agents.example"])
    tag: str | None = Field(description="The text after the `+` of the recipient; null without one.", examples=["eu"])
    conversation_id: ConversationId | None
    envelope: EnvelopeDocument
    automated: Automated
    verified: Verified
    verified_domain: VerifiedDomain
    authentication: Authentication
    auth_headers: dict[str, str] = Field(
        description="The seal: signed headers with the authentication result.",
        examples=[{"Mailseal-Version": "1", "Mailseal-Verified": "true"}],
    )
    raw_size: RawSize
    raw_sha256: RawSha256
    received_at: Time
    subject: Subject
    email_message_id: MailId


class MessageItem(_Seen):
    """A message in a list, without its texts."""

    status: ReadStatus
    from_: Mailbox = Field(alias="from", description="The From address.")


class MessagePage(BaseModel):
    """A page of messages without their texts, in order of arrival."""

    items: list[MessageItem] = Field(description="At most `limit`.")
    next_cursor: NextCursor


class MessageData(_Seen, Findings):
    """A complete message: the `data` of `email.received`."""

    from_: Mailbox | None = Field(alias="from", description="The From address.")
    reply_to: list[Mailbox] = Field(description="The Reply-To field.")
    to: list[Mailbox] = Field(description="The To field.")
    cc: list[Mailbox] = Field(description="The Cc field.")
    date: Time | None = Field(description="The Date field, as claimed by the sender.")
    in_reply_to: MailId
    references: list[str] = Field(
        description="The References field: Message-IDs, oldest first.", examples=[["<1020@agents.example>"]]
    )
    text: str = Field(description="Plain text; extracted from the HTML if there is no plain part.", examples=["Hi!"])
    html: str | None = Field(description="HTML as sent; untrusted, do not render it.", examples=["<p>Hi!</p>"])
    reply_text: str = Field(
        description='The text without quoted history, adverts of mail programs and a signature below "-- "; '
        "forwarded mail stays whole.",
        examples=["Hi!"],
    )
    truncated: bool = Field(description="Whether text or HTML was cut at 256 KiB.")
    attachments: list[AttachmentDocument] = Field(description="In message order.")
    headers: list[list[str]] = Field(
        description="Pairs of name and decoded value, topmost first.", examples=[[["Subject", "Order 1021"]]]
    )
    raw_url: str = Field(description="URL of the bytes of the message.", examples=[f"{_LINK}/raw"])
    raw: str | None = Field(
        description="The message in base64, if it has at most 65536 bytes.", examples=["U3ViamVjdDogaGkNCg=="]
    )


class MessageDocument(MessageData):
    """A complete message with its status."""

    status: ReadStatus


class MarkedMessage(BaseModel):
    """The status of a message after the change."""

    message_id: MessageId
    status: ReadStatus
