"""What agents write and people decide, as /openapi.json describes it."""

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from relay.errors import BadDraft
from relay.outbound.compose.body_part import ANY_TYPE
from relay.outbound.compose.recipients import with_name
from relay.web.schemas.common import Shape
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
from relay.web.schemas.messages import Mailbox, MailId
from store.outbound.edit import UNCHANGED, PendingApprovalEdit
from store.records.feedback import FeedbackKind
from store.records.outbound import HoldReason, Origin, OutboundAttachment, OutboundKind, OutboundStatus, Outcome

_AN_EXAMPLE = "ana@customer.example"


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


def _in_one(value: Any) -> Any:
    """Somebody as the messages show people is as good as the same in one string."""
    if not isinstance(value, dict):
        return value
    name, address = value.get("name") or "", value.get("address")
    if not (value.keys() <= {"name", "address"} and isinstance(name, str) and isinstance(address, str)):
        raise ValueError("somebody is an address, or an object of a name and an address")
    return with_name(name, address)


def _pairs(value: Any) -> Any:
    """Headers as pairs; an object of them is as good."""
    return [list(pair) for pair in value.items()] if isinstance(value, dict) else value


_PERSON: dict[str, Any] = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {
                "name": {"type": ["string", "null"], "description": "What they are called.", "examples": ["Ana"]},
                "address": {"type": "string", "description": "Their address.", "examples": [_AN_EXAMPLE]},
            },
            "required": ["address"],
            "additionalProperties": False,
        },
    ]
}
_Person = Annotated[str, BeforeValidator(_in_one), WithJsonSchema(_PERSON)]
Addresses = Annotated[list[_Person], BeforeValidator(_one_or_many)]
_PEOPLE = "Whom: each an address, `Ana <ana@customer.example>`, or an object of `name` and `address`."
_Pair = Annotated[list[str], Field(min_length=2, max_length=2)]
Headers = Annotated[
    list[_Pair],
    BeforeValidator(_pairs),
    Field(
        description="Fields of your own, as pairs or as an object: `X-…`, `List-…` and a few others.",
        examples=[[["X-Ticket", "1021"]]],
    ),
]
Text = Annotated[str | None, Field(description="Plain text.", examples=["Your order is on its way."])]
Html = Annotated[str | None, Field(description="HTML, beside or instead of the text.")]


def _nullable(schema: dict[str, Any]) -> None:
    """Describe fields with a default as ones that may be null, too."""
    for name, field in schema["properties"].items():
        if "default" in field and {"type": "null"} not in field.get("anyOf", ()):
            told = {key: field.pop(key) for key in ("default", "description", "examples") if key in field}
            schema["properties"][name] = {"anyOf": [field, {"type": "null"}], **told}


class _Optional(Shape):
    """What may be left out; null is as good as that, for whoever has to fill every field in."""

    model_config = ConfigDict(json_schema_extra=_nullable)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value is not None or name not in cls.model_fields}


class FileToSend(_Optional):
    """A file that goes with the mail."""

    filename: str = Field(description="Its name.", examples=["order.pdf"])
    content_type: str = Field(default=ANY_TYPE, description="Its type.", examples=["application/pdf"])
    data: str = Field(description="Its bytes, base64.", examples=["JVBERi0="])


class _Words(_Optional):
    """What the agent says."""

    text: Text = None
    html: Html = None
    attachments: list[FileToSend] = Field(default=[], description="Files.")
    headers: Headers = Field(default=[])

    @property
    def files(self) -> tuple[OutboundAttachment, ...]:
        """The files. Raises BadDraft with the number of one that is no base64."""
        return files_of(self.attachments)

    @property
    def own_headers(self) -> tuple[tuple[str, str], ...]:
        """The fields of the agent's own."""
        return tuple((name, value) for name, value in self.headers)


class SendRequest(_Words):
    """A mail to be sent."""

    to: Addresses = Field(default=[], description=_PEOPLE, examples=[[_AN_EXAMPLE]])
    cc: Addresses = Field(default=[], description="Whom, beside.")
    bcc: Addresses = Field(default=[], description="Whom, without the others seeing it.")
    subject: str = Field(default="", description="One line.", examples=["Order 1021"])
    conversation_id: ConversationId | None = None


class ReplyRequest(_Words):
    """What to answer; recipients, subject and threading follow from the mail."""

    reply_all: bool = Field(default=False, description="To everybody whom the mail names, too.")
    quote: bool = Field(default=True, description="The mail's text below.")
    allow_automated: bool = Field(
        default=False, description="Even if a machine sent the mail: then a loop is yours to prevent."
    )
    cc: Addresses = Field(default=[], description="Whom, beside those that the mail names.")
    bcc: Addresses = Field(default=[], description="Further ones, without the others seeing it.")


class ForwardRequest(_Words):
    """To whom, and what to say above it."""

    to: Addresses = Field(default=[], description=_PEOPLE, examples=[[_AN_EXAMPLE]])
    cc: Addresses = Field(default=[], description="Whom, beside.")
    bcc: Addresses = Field(default=[], description="Whom, without the others seeing it.")
    whole: bool = Field(default=False, description="As a mail inside the mail, byte for byte, and not as text.")


class SentAnswer(BaseModel):
    """What was made of a mail: where to look for its way is its id."""

    message_id: MessageId
    status: Annotated[OutboundStatus, Field(description="`queued`, or `pending_approval`: a person looks at it first.")]
    conversation_id: ConversationId | None
    hold_reason: Annotated[HoldReason | None, Field(description="Why a person is asked; null: nobody is.")]
    hold_expires_at: Annotated[Time | None, Field(description="Until when one may decide.")]


class ResolveRequest(Shape):
    """What you found out about a mail that is in doubt, or has failed."""

    word: Literal["sent", "send_again"] = Field(
        alias="as", description="It went out; or it did not, and is sent again.", examples=["send_again"]
    )


class OutboundItem(BaseModel):
    """A mail that an agent wrote, without its texts."""

    message_id: MessageId
    agent: AgentAddress
    direction: Literal["outbound"] = Field(description="It goes out.")
    status: OutboundStatus = Field(description="How it stands.", examples=["sent"])
    kind: OutboundKind = Field(description="How it was asked for.", examples=["reply"])
    conversation_id: ConversationId | None
    from_: Mailbox = Field(alias="from", description="The address it leaves from.")
    reply_to: list[Mailbox] = Field(description="The agent, where it leaves from a shared address.")
    to: list[Mailbox] = Field(description="To.")
    cc: list[Mailbox] = Field(description="Cc.")
    bcc: list[Mailbox] = Field(description="Bcc: in the envelope alone.")
    subject: Subject
    date: Time
    email_message_id: MailId
    provider_message_id: str | None = Field(description="The provider's id of it.", examples=["0100018f-1"])
    revision: int = Field(description="Counted up by each edit of a held mail.", examples=[1])
    hold_reason: HoldReason | None = Field(description="Why a person is asked, or was.", examples=["owner"])
    hold_expires_at: Time | None = Field(description="Until when one may decide.")
    reviewed_by: str | None = Field(description="The user who decided.", examples=[f"usr_{ID_BODY}"])
    reviewed_at: Time | None = Field(description="When.")
    reason: str | None = Field(description="What they said.")
    error: WhyNot
    raw_size: int = Field(description="Bytes of the mail.", examples=[5120])
    raw_sha256: RawSha256 | None
    created_at: Time
    scrubbed_at: Time | None = Field(description="When texts, files and bytes were taken out: its way has ended.")


class OutboundPage(BaseModel):
    """Mails that wait for a person, the one first whose time is over first."""

    items: list[OutboundItem] = Field(description="At most `limit`.")
    next_cursor: NextCursor


class RecipientState(BaseModel):
    """What is known of the mail's way to one recipient."""

    address: str = Field(description="Whom.", examples=[_AN_EXAMPLE])
    field: Literal["to", "cc", "bcc"] = Field(description="Where they stand.")
    status: FeedbackKind | None = Field(description="What the provider told last; null: nothing yet.")
    detail: str | None = Field(description="In its words.")
    at: Time | None = Field(description="When.")


class SendAttemptDocument(BaseModel):
    """One try to send."""

    attempt_id: str = Field(description="Goes to the provider with the mail.", examples=[f"snd_{ID_BODY}"])
    origin: Origin = Field(description="What made it go.", examples=["queue"])
    outcome: Outcome = Field(description="How it ended.", examples=["sent"])
    began_at: Time
    settled_at: Time | None = Field(description="When that was known.")
    provider_message_id: str | None = Field(description="As the provider wrote it.")
    error: WhyNot


class FileInfo(BaseModel):
    """A file that goes with the mail, without its bytes."""

    index: int = Field(description="Its number.", examples=[0])
    filename: str = Field(description="Its name.", examples=["order.pdf"])
    content_type: str = Field(description="Its type.", examples=["application/pdf"])
    size: int = Field(description="Bytes.", examples=[1234])


class OutboundDocument(OutboundItem):
    """A mail that an agent wrote, whole while it is kept, with everything that became of it."""

    in_reply_to: MailId
    references: list[str] = Field(description="Message-IDs of the mails before, oldest first.")
    text: str | None = Field(description="Null once its way has ended.")
    html: str | None = Field(description="Null once its way has ended.")
    attachments: list[FileInfo] = Field(description="Its files while they are kept.")
    headers: list[list[str]] = Field(description="The fields that the agent added.")
    recipients: list[RecipientState] = Field(description="Everybody, and how it went with them.")
    attempts: list[SendAttemptDocument] = Field(description="Every try, oldest first.")
    raw_url: str | None = Field(description="Where its bytes are, while they are kept.")
    raw: str | None = Field(description="The bytes, base64, if they are kept and no more than 65536.")


class _Seen(_Optional):
    """What a reviewer looked at: given, the decision counts for that alone."""

    revision: int | None = Field(default=None, ge=1, description="The `revision` that you looked at.")
    raw_sha256: str | None = Field(
        default=None,
        max_length=64,
        description="The `raw_sha256` that you looked at. Bcc is not in these bytes: name `revision` too.",
    )


class EditRequest(_Seen):
    """What to change; a field that is not named, or null, stays as it is, and `[]` or `""` empties it."""

    subject: str = Field(default="", description="The subject.")
    text: Text = None
    html: Html = None
    to: Addresses = Field(default=[], description="Whom; who stays keeps a name that is not given again.")
    cc: Addresses = Field(default=[], description="Whom, beside.")
    bcc: Addresses = Field(default=[], description="Whom, without the others seeing it.")
    attachments: list[FileToSend] = Field(default=[], description="All the files that are to go.")

    @property
    def edit(self) -> PendingApprovalEdit:
        """What was named. Raises BadDraft."""
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
    """What to change before it goes, if anything."""

    reason: str | None = Field(default=None, max_length=1000, description="For the record.")


class RejectRequest(_Seen):
    """Why not."""

    reason: str | None = Field(default=None, max_length=1000, description="For the record; the agent's events tell it.")


def files_of(files: list[FileToSend]) -> tuple[OutboundAttachment, ...]:
    """The files with their bytes. Raises BadDraft with the number of one that is no base64."""
    return tuple(
        OutboundAttachment(filename=file.filename, content_type=file.content_type, content=_decoded(file.data, index))
        for index, file in enumerate(files)
    )


def _decoded(data: str, index: int) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadDraft("data is not base64", field="attachments", index=index) from error
