"""Records of inbound mail, agents, domains, users and deliveries; frozen."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from store.ids import new_message_id

Mode = Literal["webhook", "poll"]
OnUnverified = Literal["deliver", "reject"]
ExpirationAction = Literal["approve", "reject"]
MessageStatus = Literal["unread", "read"]
DeliveryStatus = Literal["pending", "delivered", "dead"]
Scope = Literal["read", "work", "send", "admin"]

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a list, with the cursor of the next."""

    items: Sequence[Row]
    next_cursor: str | None  # None: end of the list for now


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who owns domains, agents and keys."""

    id: str
    email: str  # lower-case
    name: str
    subject: str  # OIDC subject, or "local:" + id
    created_at: datetime
    updated_at: datetime | None = None  # when OIDC last changed name or email


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key, without plaintext and hash."""

    id: str
    user_id: str
    name: str
    prefix: str  # the plaintext's first 12 characters
    created_at: datetime
    last_used_at: datetime | None
    agent: str | None  # limits the key to this agent; None: all agents of the user
    scopes: tuple[Scope, ...]  # permissions, in the order of Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain as one user sees it."""

    domain: str
    user_id: str | None  # the claimant; None for the shared domain
    token: str  # value the claimant publishes in DNS; empty for the shared domain
    verified: bool  # verified by this user
    verified_at: datetime | None
    is_shared: bool
    created_at: datetime
    next_check_at: datetime | None = None  # time of the next automatic DNS check


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent: one address that receives and sends."""

    address: str  # its id
    user_id: str | None  # None only for the operator's postmaster
    domain: str | None
    name: str
    mode: Mode
    webhook_url: str | None
    webhook_off_at: datetime | None  # when the endpoint answered 410
    events: tuple[str, ...]
    on_unverified: OnUnverified
    answer_lists: bool = False  # whether it may answer people who write through a mailing list
    hitl_enabled: bool
    hitl_ttl_seconds: int
    hitl_expiration_action: ExpirationAction
    is_postmaster: bool
    domain_verified: bool  # verified by this agent's user, or the shared domain
    created_at: datetime
    updated_at: datetime | None  # last change by its owner

    @property
    def email_address(self) -> str:
        """The address that mail is sent to: equal to its id."""
        return self.address

    @property
    def actual_domain(self) -> str:
        """The part of the address behind the ``@``."""
        return self.address.rpartition("@")[2]

    def is_shared_domain(self, shared: str | None) -> bool:
        """Whether it is on the *shared* domain; False when *shared* is None."""
        return bool(shared) and self.domain == shared


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSecret:
    """A webhook signing secret of an agent, encrypted."""

    key_id: str
    agent: str
    sealed: bytes
    created_at: datetime
    expires_at: datetime | None  # None: the current secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """An agent as the inbound path needs it, with its current signing secret."""

    address: str
    on_unverified: OnUnverified
    key_id: str
    sealed: bytes
    is_relay: bool = False  # the relay's own address: no agent, its mail is not stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Metadata of a received message for one agent, known at receipt."""

    id: str
    agent: str
    recipient: str  # as given in RCPT TO
    tag: str | None
    mail_from: str  # "" is the null path
    remote_ip: str | None
    helo: str | None
    tls: str | None
    from_name: str
    from_address: str
    subject: str
    email_message_id: str | None  # without angle brackets
    automated: bool
    verified: bool
    verified_domain: str | None
    authentication: dict[str, Any]
    auth_headers: dict[str, str]
    raw_sha256: str
    raw_size: int
    received_at: datetime
    report_of: str | None = None  # the outbound message that this is proven to report about


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage(Receipt):
    """An inbound message for one agent before storage; its id is preset or new."""

    id: str = field(default_factory=new_message_id)
    parent_ids: tuple[str, ...]  # In-Reply-To and References, nearest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Receipt):
    """A stored message of one agent, without its raw bytes."""

    seq: int  # per agent, in order of commit
    direction: Literal["inbound", "outbound"]
    status: MessageStatus
    conversation_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A message leased to one worker."""

    receipt: str
    attempt: int
    expires_at: datetime
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The delivery of one event to one agent's webhook."""

    id: str
    event_id: str
    event_type: str
    agent: str
    message_id: str | None
    status: DeliveryStatus
    attempts: int
    due_at: datetime
    created_at: datetime
    settled_at: datetime | None
    last_status: int | None
    last_error: str | None
    details: dict[str, Any] | None = None  # event fields in addition to its message


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One delivery attempt."""

    at: datetime
    duration_ms: int
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A delivery claimed by one worker until the lease ends."""

    delivery: Delivery
    number: int  # fencing token: settling with an older claim has no effect
    until: datetime

    @property
    def lost(self) -> int:
        """Earlier claims of which neither an attempt nor a release is recorded: their workers died, mostly.

        A first claim is not counted: its worker may have died before it began.
        """
        return self.number - 1 - self.delivery.attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstClaim:
    """A delivery that was inserted claimed, with what its worker would have to read to post it.

    Its claim has number 0, so that each claim of the row ends it, and so that it is not counted.
    """

    claim: Claim
    message: Message
    url: str  # the agent's webhook at the commit
    key_id: str  # of the agent's current secret at the commit
