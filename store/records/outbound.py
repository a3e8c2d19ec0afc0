"""What the store's queries on outbound mail take and answer."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Self

from store.ids import new_message_id
from store.records.mail import ExpirationAction

OutboundKind = Literal["send", "reply", "forward"]
OutboundStatus = Literal[
    "queued",
    "pending_approval",
    "sending",
    "sent",
    "failed",
    "unconfirmed",
    "rejected",
    "expired_approved",
    "expired_rejected",
]
Origin = Literal["queue", "approval", "expiry"]
Outcome = Literal["sending", "sent", "failed", "unconfirmed"]
HoldReason = Literal["owner", "sends", "replies", "recipients"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundAttachment:
    """A file that goes with a mail."""

    filename: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentInfo:
    """A file that goes with a mail, as lists show it."""

    number: int  # from 0
    filename: str
    content_type: str
    size: int  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientSet:
    """Whom a mail goes to. Addresses are bare, and what they are called stands beside them."""

    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    names: tuple[tuple[str, str], ...] = ()  # an address as it stands in its field, and its display name

    @property
    def all_recipients(self) -> tuple[str, ...]:
        """All recipients, in the order of the fields."""
        return self.to + self.cc + self.bcc

    @property
    def by_field(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Each field's name, in lower case, with its recipients."""
        return ("to", self.to), ("cc", self.cc), ("bcc", self.bcc)

    def name_of(self, address: str) -> str:
        """What a recipient is called; empty where nobody said."""
        return next((name for whose, name in self.names if whose == address), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft(RecipientSet):
    """Everything of a composed mail that a reviewer may change."""

    subject: str = ""
    text: str | None = None
    html: str | None = None
    attachments: tuple[OutboundAttachment, ...] = ()

    @classmethod
    def addressed(
        cls,
        whom: RecipientSet,
        *,
        subject: str,
        text: str | None,
        html: str | None,
        attachments: tuple[OutboundAttachment, ...],
    ) -> Self:
        """A draft to the same people as *whom*."""
        return cls(
            to=whom.to,
            cc=whom.cc,
            bcc=whom.bcc,
            names=whom.names,
            subject=subject,
            text=text,
            html=html,
            attachments=attachments,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredMessage:
    """What a mail answers or hands on, as ids without angle brackets."""

    in_reply_to: str | None = None
    references: tuple[str, ...] = ()  # oldest first, the answered one last


@dataclass(frozen=True, slots=True, kw_only=True)
class WireBytes:
    """The bytes of a mail as they go over the wire."""

    sha256: str  # hex
    size: int
    content: bytes | None = field(default=None, repr=False)  # None where its chunks are written already


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOutbound:
    """A composed mail before it is kept."""

    agent: str
    draft: Draft
    created_at: datetime
    id: str = field(default_factory=new_message_id)
    kind: OutboundKind = "send"
    conversation_id: str | None = None  # None begins one
    parent_ids: tuple[str, ...] = ()  # what it answers, to find the conversation by
    email_message_id: str | None = None  # ours, without angle brackets
    headers: tuple[tuple[str, str], ...] = ()  # what the agent added
    raw_sha256: str | None = None  # of the wire bytes, when they are composed already and kept (store/mail/bodies.py)
    raw_size: int = 0
    mail_from: str | None = None  # the address it leaves from, where that is not the agent's own
    answered: AnsweredMessage | None = None
    hold_reason: HoldReason | None = None  # of one that is held


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundSummary(RecipientSet):
    """An outbound message without its texts and files."""

    id: str
    agent: str
    seq: int  # of the agent, in order of commit
    status: OutboundStatus
    kind: OutboundKind
    conversation_id: str | None
    subject: str
    email_message_id: str | None  # without angle brackets
    provider_message_id: str | None  # without the provider's domain
    mail_from: str  # the envelope's sender
    raw_sha256: str | None  # of the wire bytes while they are kept
    raw_size: int
    digest: str | None  # of the wire bytes, hex SHA-256: it stays when they have gone
    hold_reason: HoldReason | None  # why a person is asked, or was
    hold_expires_at: datetime | None  # of a hold
    revision: int  # counted up by each edit
    reviewed_by: str | None  # a user's id; None when nobody decided, or the account is gone
    reviewed_at: datetime | None
    reason: str | None  # what the reviewer said
    error: str | None  # why the last attempt failed
    created_at: datetime
    expires_at: datetime
    scrubbed_at: datetime | None  # when the content was taken out

    def end(self, wanted: ExpirationAction) -> ExpirationAction:
        """What happens when nobody decides about a hold, whose agent's owner wants *wanted*: a cap ends in a no."""
        return wanted if self.hold_reason in {None, "owner"} else "reject"


@dataclass(frozen=True, slots=True)
class Version:
    """What somebody looked at: a draft counts its edits, and its bytes have a digest. What is None was not said."""

    revision: int | None
    digest: str | None  # hex SHA-256 of the wire bytes

    def fits(self, message: OutboundSummary) -> bool:
        """Whether *message* is still that."""
        return self.revision in {None, message.revision} and self.digest in {None, message.digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundMessage(OutboundSummary):
    """An outbound message with its texts; of its files what lists show."""

    text: str | None
    html: str | None
    headers: tuple[tuple[str, str], ...]
    answered: AnsweredMessage | None
    attachments: tuple[AttachmentInfo, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message that one worker is to send, and the attempt it does so under."""

    attempt: str  # its id: goes to the provider as a tag, and fences the settling
    origin: Origin
    message: OutboundMessage
    draft: Draft | None  # what is sent, with its files; None where the message's bytes say it all and nobody changed it
    until: datetime  # the end of the attempt's lease: what has not been handed over well before, is not
    tries: int = 1  # of this origin, this one counted


@dataclass(frozen=True, slots=True, kw_only=True)
class SendAttempt:
    """One try to send, for whoever wants to know what happened."""

    id: str
    origin: Origin
    outcome: Outcome
    began_at: datetime
    settled_at: datetime | None
    provider_message_id: str | None  # as the provider wrote it
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredHold:
    """A hold that nobody decided in time, and what its agent's owner wants done about it."""

    message_id: str
    agent: str
    user_id: str
    action: ExpirationAction  # always ``reject`` where a cap was reached: nobody looking is no reason to send
    hold_expires_at: datetime
