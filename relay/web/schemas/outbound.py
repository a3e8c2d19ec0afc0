"""Request and response models for sending messages and reviewing them."""

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from relay.errors import BadDraft
from relay.outbound.compose.body_part import ANY_TYPE
from relay.outbound.compose.custom_headers import MAX_HEADERS
from relay.outbound.compose.recipients import with_name
from relay.web.schemas.common import Shape
from relay.web.schemas.content import Mailbox, MailId
from relay.web.schemas.fields import (
    ID_BODY,
    AgentAddress,
    ConversationId,
    MessageId,
    NextCursor,
    RawSha256,
    Subject,
    Time,
    WhyNot,
)
from store.outbound.edit import UNCHANGED, PendingApprovalEdit
from store.outbound.outbound import MAX_RECIPIENTS
from store.records.feedback import FeedbackKind
from store.records.outbound import HoldReason, Origin, OutboundAttachment, OutboundKind, OutboundStatus, Outcome

_MAX_FILES = 100
_AN_EXAMPLE = "ana@customer.example"


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


def _in_one(value: Any) -> Any:
    """Convert an object of name and address to one string, ``Name <address>``."""
    if not isinstance(value, dict):
        return value
    name, address = value.get("name") or "", value.get("address")
    if not (value.keys() <= {"name", "address"} and isinstance(name, str) and isinstance(address, str)):
        raise ValueError("a recipient is an address, or an object of name and address")
    return with_name(name, address)


def _pairs(value: Any) -> Any:
    """Convert an object of headers to pairs."""
    return [list(pair) for pair in value.items()] if isinstance(value, dict) else value


_PERSON: dict[str, Any] = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {
                "name": {"type": ["string", "null"], "description": "Display name.", "examples": ["Ana"]},
                "address": {"type": "string", "description": "Email address.", "examples": [_AN_EXAMPLE]},
            },
            "required": ["address"],
            "additionalProperties": False,
        },
    ]
}
_Person = Annotated[str, BeforeValidator(_in_one), WithJsonSchema(_PERSON)]
Addresses = Annotated[list[_Person], Field(max_length=MAX_RECIPIENTS), BeforeValidator(_one_or_many)]
_PEOPLE = "Recipients: addresses, `Ana <ana@customer.example>`, or objects of `name` and `address`."
_Pair = Annotated[list[str], Field(min_length=2, max_length=2)]
Headers = Annotated[
    list[_Pair],
    Field(max_length=MAX_HEADERS),
    BeforeValidator(_pairs),
    Field(
        description="Additional header fields, as pairs or as an object: `X-…`, `List-…` and a few others.",
        examples=[[["X-Ticket", "1021"]]],
    ),
]
Text = Annotated[str | None, Field(description="Plain text.", examples=["Your order is on its way."])]
Html = Annotated[str | None, Field(description="HTML, in addition to the text or instead of it.")]


def _nullable(schema: dict[str, Any]) -> None:
    """Describe fields with a default as nullable."""
    for name, field in schema["properties"].items():
        if "default" in field and {"type": "null"} not in field.get("anyOf", ()):
            annotations = {key: field.pop(key) for key in ("default", "description", "examples") if key in field}
            schema["properties"][name] = {"anyOf": [field, {"type": "null"}], **annotations}


class _Optional(Shape):
    """A request body in which null means the same as an absent field.

    For clients that always send every field.
    """

    model_config = ConfigDict(json_schema_extra=_nullable)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value is not None or name not in cls.model_fields}


class FileToSend(_Optional):
    """A file to attach."""

    filename: str = Field(description="File name.", examples=["order.pdf"])
    content_type: str = Field(default=ANY_TYPE, description="Media type.", examples=["application/pdf"])
    data: str = Field(description="Content, base64.", examples=["JVBERi0="])


Files = Annotated[list[FileToSend], Field(max_length=_MAX_FILES)]


class _Words(_Optional):
    """The content of a new message."""

    text: Text = None
    html: Html = None
    attachments: Files = Field(default=[], description="Files to attach.")
    headers: Headers = Field(default=[])

    @property
    def files(self) -> tuple[OutboundAttachment, ...]:
        """The decoded files. Raises BadDraft with the index of one that is not base64."""
        return files_of(self.attachments)

    @property
    def own_headers(self) -> tuple[tuple[str, str], ...]:
        """The additional header fields."""
        return tuple((name, value) for name, value in self.headers)


class SendRequest(_Words):
    """A message to send."""

    to: Addresses = Field(default=[], description=_PEOPLE, examples=[[_AN_EXAMPLE]])
    cc: Addresses = Field(default=[], description="Cc recipients.")
    bcc: Addresses = Field(default=[], description="Bcc recipients, invisible to the others.")
    subject: str = Field(default="", description="Subject, one line.", examples=["Order 1021"])
    conversation_id: ConversationId | None = None


class ReplyRequest(_Words):
    """A reply; recipients, subject and threading come from the original message."""

    reply_all: bool = Field(default=False, description="Also send to the other recipients of the original message.")
    quote: bool = Field(default=True, description="Quote the text of the original message below.")
    allow_automated: bool = Field(
        default=False, description="Reply even to an automatic message; you must then prevent mail loops."
    )
    cc: Addresses = Field(default=[], description="Additional Cc recipients.")
    bcc: Addresses = Field(default=[], description="Bcc recipients, invisible to the others.")


class ForwardRequest(_Words):
    """Recipients of a forward, and the text above the original message."""

    to: Addresses = Field(default=[], description=_PEOPLE, examples=[[_AN_EXAMPLE]])
    cc: Addresses = Field(default=[], description="Cc recipients.")
    bcc: Addresses = Field(default=[], description="Bcc recipients, invisible to the others.")
    whole: bool = Field(default=False, description="Attach the original bytes as message/rfc822 instead of its text.")


class SentAnswer(BaseModel):
    """The submitted message. Use its id to query its status."""

    message_id: MessageId
    status: Annotated[OutboundStatus, Field(description="`queued`, or `pending_approval`: a reviewer decides first.")]
    conversation_id: ConversationId | None
    hold_reason: Annotated[HoldReason | None, Field(description="Why it needs approval; null: it does not.")]
    hold_expires_at: Annotated[Time | None, Field(description="When the approval request expires.")]


class ResolveRequest(Shape):
    """The outcome of an `unconfirmed` or `failed` message."""

    word: Literal["sent", "send_again"] = Field(
        alias="as", description="`sent`: it was sent. `send_again`: send it again.", examples=["send_again"]
    )


class OutboundItem(BaseModel):
    """An outbound message, without its texts."""

    message_id: MessageId
    agent: AgentAddress
    direction: Literal["outbound"] = Field(description="Always `outbound`.")
    status: OutboundStatus = Field(description="Status of the message.", examples=["sent"])
    kind: OutboundKind = Field(description="The operation that created it.", examples=["reply"])
    conversation_id: ConversationId | None
    from_: Mailbox = Field(alias="from", description="The From address.")
    reply_to: list[Mailbox] = Field(description="The agent, if the message is sent from a shared address.")
    to: list[Mailbox] = Field(description="To recipients.")
    cc: list[Mailbox] = Field(description="Cc recipients.")
    bcc: list[Mailbox] = Field(description="Bcc recipients; only in the envelope.")
    subject: Subject
    date: Time
    email_message_id: MailId
    provider_message_id: str | None = Field(description="Message id given by the provider.", examples=["0100018f-1"])
    revision: int = Field(description="Increased by each edit of a pending message.", examples=[1])
    hold_reason: HoldReason | None = Field(description="Why it needs, or needed, approval.", examples=["owner"])
    hold_expires_at: Time | None = Field(description="When the approval request expires.")
    reviewed_by: str | None = Field(description="The user who decided.", examples=[f"usr_{ID_BODY}"])
    reviewed_at: Time | None = Field(description="Time of the decision.")
    reason: str | None = Field(description="Reason given with the decision.")
    error: WhyNot
    raw_size: int = Field(description="Size of the message in bytes.", examples=[5120])
    raw_sha256: RawSha256 | None
    approval_sha256: str | None = Field(
        description="Hex SHA-256 over the envelope, Bcc included, and the bytes: name it to approve exactly this.",
        examples=["5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"],
    )
    created_at: Time
    scrubbed_at: Time | None = Field(description="When texts, files and bytes were removed, after the final status.")


class OutboundPage(BaseModel):
    """A page of pending messages, the one that expires first first."""

    items: list[OutboundItem] = Field(description="At most `limit`.")
    next_cursor: NextCursor


class RecipientState(BaseModel):
    """Delivery status for one recipient."""

    address: str = Field(description="The recipient.", examples=[_AN_EXAMPLE])
    field: Literal["to", "cc", "bcc"] = Field(description="The field that names the recipient.")
    status: FeedbackKind | None = Field(description="Last report of the provider; null: none yet.")
    detail: str | None = Field(description="Text of the report.")
    at: Time | None = Field(description="Time of the report.")


class SendAttemptDocument(BaseModel):
    """One attempt to send the message."""

    attempt_id: str = Field(description="Passed to the provider with the message.", examples=[f"snd_{ID_BODY}"])
    origin: Origin = Field(description="What started the attempt.", examples=["queue"])
    outcome: Outcome = Field(description="Result of the attempt.", examples=["sent"])
    began_at: Time
    settled_at: Time | None = Field(description="When the result was known.")
    provider_message_id: str | None = Field(description="Message id given by the provider.")
    error: WhyNot


class FileInfo(BaseModel):
    """An attached file, without its content."""

    index: int = Field(description="Number of the file.", examples=[0])
    filename: str = Field(description="File name.", examples=["order.pdf"])
    content_type: str = Field(description="Media type.", examples=["application/pdf"])
    size: int = Field(description="Size in bytes.", examples=[1234])


class OutboundDocument(OutboundItem):
    """A complete outbound message with its attempts and recipients.

    Texts, files and bytes are kept until the final status.
    """

    in_reply_to: MailId
    references: list[str] = Field(description="Message-IDs of earlier messages, oldest first.")
    text: str | None = Field(description="Null after the final status.")
    html: str | None = Field(description="Null after the final status.")
    attachments: list[FileInfo] = Field(description="Attached files, while they are kept.")
    headers: list[list[str]] = Field(description="Header fields added by the agent.")
    recipients: list[RecipientState] = Field(description="All recipients with their delivery status.")
    attempts: list[SendAttemptDocument] = Field(description="All attempts, oldest first.")
    raw_url: str | None = Field(description="URL of the bytes, while they are kept.")
    raw: str | None = Field(description="The bytes in base64, if they are kept and at most 65536.")


class _Seen(_Optional):
    """The revision a reviewer saw; if given, the request fails for another revision."""

    revision: int | None = Field(default=None, ge=1, description="The `revision` you saw.")
    raw_sha256: str | None = Field(
        default=None,
        max_length=64,
        description="The `raw_sha256` you saw. It does not cover Bcc: give `approval_sha256` instead.",
    )
    approval_sha256: str | None = Field(
        default=None,
        max_length=64,
        description="The `approval_sha256` you saw. It covers the envelope, Bcc included, and the bytes.",
    )


class EditRequest(_Seen):
    """Fields to change.

    An absent or null field stays the same; `[]` or `""` empties it.
    """

    subject: str = Field(default="", description="Subject.")
    text: Text = None
    html: Html = None
    to: Addresses = Field(default=[], description="To recipients. Names that are not given again are kept.")
    cc: Addresses = Field(default=[], description="Cc recipients.")
    bcc: Addresses = Field(default=[], description="Bcc recipients, invisible to the others.")
    attachments: Files = Field(default=[], description="All files to attach.")

    @property
    def edit(self) -> PendingApprovalEdit:
        """The given fields. Raises BadDraft."""
        named = self.model_fields_set
        files = files_of(self.attachments) if "attachments" in named else UNCHANGED
        return PendingApprovalEdit(
            subject=self.subject if "subject" in named else UNCHANGED,
            text=self.text if "text" in named else UNCHANGED,
            html=self.html if "html" in named else UNCHANGED,
            to=tuple(self.to) if "to" in named else UNCHANGED,
            cc=tuple(self.cc) if "cc" in named else UNCHANGED,
            bcc=tuple(self.bcc) if "bcc" in named else UNCHANGED,
            attachments=files,
        )


class ApproveRequest(EditRequest):
    """Optional changes before the message is sent."""

    reason: str | None = Field(default=None, max_length=1000, description="Reason, stored with the decision.")


class RejectRequest(_Seen):
    """The reason of a rejection."""

    reason: str | None = Field(default=None, max_length=1000, description="Stored, and included in the agent's events.")


def files_of(files: list[FileToSend]) -> tuple[OutboundAttachment, ...]:
    """The decoded files. Raises BadDraft with the index of one that is not base64."""
    return tuple(
        OutboundAttachment(filename=file.filename, content_type=file.content_type, content=_decoded(file.data, index))
        for index, file in enumerate(files)
    )


def _decoded(data: str, index: int) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadDraft("data is not base64", field="attachments", index=index) from error
