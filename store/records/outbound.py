"""Records of outbound messages, drafts, holds and send attempts; frozen."""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
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
    """An attachment of an outbound message, with content."""

    filename: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentInfo:
    """An attachment of an outbound message, without content."""

    number: int  # from 0
    filename: str
    content_type: str
    size: int  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientSet:
    """The recipients of a message: bare addresses, and display names apart."""

    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    names: tuple[tuple[str, str], ...] = ()  # (address as in its field, display name)

    @property
    def all_recipients(self) -> tuple[str, ...]:
        """All recipients, in the order To, Cc, Bcc."""
        return self.to + self.cc + self.bcc

    @property
    def by_field(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Each recipient field's name in lower case, with its addresses."""
        return ("to", self.to), ("cc", self.cc), ("bcc", self.bcc)

    def name_of(self, address: str) -> str:
        """The display name of a recipient; empty without one."""
        return next((name for named, name in self.names if named == address), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft(RecipientSet):
    """The parts of an outbound message that a reviewer may change."""

    subject: str = ""
    text: str | None = None
    html: str | None = None
    attachments: tuple[OutboundAttachment, ...] = ()

    @classmethod
    def addressed(
        cls,
        recipients: RecipientSet,
        *,
        subject: str,
        text: str | None,
        html: str | None,
        attachments: tuple[OutboundAttachment, ...],
    ) -> Self:
        """A draft with the recipients of *recipients*."""
        return cls(
            to=recipients.to,
            cc=recipients.cc,
            bcc=recipients.bcc,
            names=recipients.names,
            subject=subject,
            text=text,
            html=html,
            attachments=attachments,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredMessage:
    """The message that a reply or forward refers to, as Message-IDs without brackets."""

    in_reply_to: str | None = None
    references: tuple[str, ...] = ()  # oldest first; the answered message last


@dataclass(frozen=True, slots=True, kw_only=True)
class WireBytes:
    """The serialised message as it is sent (RFC 5322)."""

    sha256: str  # hex
    size: int
    content: bytes | None = field(default=None, repr=False)  # None: its chunks are stored already


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOutbound:
    """A composed outbound message before storage."""

    agent: str
    draft: Draft
    created_at: datetime
    id: str = field(default_factory=new_message_id)
    kind: OutboundKind = "send"
    conversation_id: str | None = None  # None starts a new one
    parent_ids: tuple[str, ...] = ()  # Message-IDs of the answered messages, to find the conversation
    email_message_id: str | None = None  # assigned by the relay, without angle brackets
    headers: tuple[tuple[str, str], ...] = ()  # headers added by the agent
    raw_sha256: str | None = None  # of the wire bytes, if composed and stored already (store/mail/bodies.py)
    raw_size: int = 0
    mail_from: str | None = None  # envelope sender, if not the agent's address
    answered: AnsweredMessage | None = None
    hold_reason: HoldReason | None = None  # set if the message is held


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundSummary(RecipientSet):
    """An outbound message without its texts and attachments."""

    id: str
    agent: str
    seq: int  # per agent, in order of commit
    status: OutboundStatus
    kind: OutboundKind
    conversation_id: str | None
    subject: str
    email_message_id: str | None  # without angle brackets
    provider_message_id: str | None  # without the provider's domain
    mail_from: str  # the envelope's sender
    raw_sha256: str | None  # of the wire bytes, while they are stored
    raw_size: int
    digest: str | None  # hex SHA-256 of the wire bytes; remains after they are deleted
    hold_reason: HoldReason | None  # why the message is or was held
    hold_expires_at: datetime | None  # end of the hold
    revision: int  # incremented by each edit
    reviewed_by: str | None  # user id; None: undecided, or the account was deleted
    reviewed_at: datetime | None
    reason: str | None  # the reviewer's reason
    error: str | None  # error of the last attempt
    created_at: datetime
    expires_at: datetime
    scrubbed_at: datetime | None  # when the content was deleted

    @property
    def approval_digest(self) -> str | None:
        """Hex SHA-256 over the envelope, bcc included, and the wire bytes; None while there are no bytes.

        Of the lines ``from ADDRESS``, then ``to``, ``cc`` and ``bcc`` with an address each, in order, and ``raw`` with
        the hex SHA-256 of the bytes; each line ends with LF.
        """
        if self.digest is None:
            return None
        people = [f"{field} {address}" for field, addresses in self.by_field for address in addresses]
        lines = [f"from {self.mail_from}", *people, f"raw {self.digest}"]
        return sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()

    def expiration_action(self, owner_choice: ExpirationAction) -> ExpirationAction:
        """What happens when the hold expires undecided.

        *owner_choice* is the agent's setting; a hold caused by a cap is always rejected.
        """
        return owner_choice if self.hold_reason in {None, "owner"} else "reject"


@dataclass(frozen=True, slots=True)
class Version:
    """The version of a draft that a reviewer read: revision, digest of the bytes, digest of envelope and bytes.

    None means not specified.
    """

    revision: int | None
    digest: str | None  # hex SHA-256 of the wire bytes
    approval: str | None = None  # OutboundSummary.approval_digest

    def matches(self, message: OutboundSummary) -> bool:
        """Whether *message* still has this version."""
        if self.approval not in {None, message.approval_digest}:
            return False
        return self.revision in {None, message.revision} and self.digest in {None, message.digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundMessage(OutboundSummary):
    """An outbound message with its texts, and its attachments' metadata."""

    text: str | None
    html: str | None
    headers: tuple[tuple[str, str], ...]
    answered: AnsweredMessage | None
    attachments: tuple[AttachmentInfo, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message claimed by one worker for sending, with the send attempt."""

    attempt: str  # attempt id: sent to the provider as a tag, and the fencing token for settling
    origin: Origin
    message: OutboundMessage
    draft: Draft | None  # content to compose, with attachments; None: the stored bytes are sent unchanged
    until: datetime  # end of the attempt's lease: a send must start well before it
    tries: int = 1  # attempts with this origin, including this one


@dataclass(frozen=True, slots=True, kw_only=True)
class SendAttempt:
    """One recorded send attempt."""

    id: str
    origin: Origin
    outcome: Outcome
    began_at: datetime
    settled_at: datetime | None
    provider_message_id: str | None  # as the provider returned it
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredHold:
    """A hold that expired undecided, with the action to take."""

    message_id: str
    agent: str
    user_id: str
    action: ExpirationAction  # always ``reject`` if a cap caused the hold: an unreviewed message over a cap is not sent
    hold_expires_at: datetime
