"""What the store's queries answer: frozen, without a connection behind them."""

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
Scope = Literal["read", "send", "admin"]

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """A part of a list, and where it goes on."""

    items: Sequence[Row]
    next_cursor: str | None  # None: this was the end for now


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """The person who owns domains, agents and keys."""

    id: str
    email: str  # lower-case
    name: str
    subject: str  # of OIDC, or "local:" and the id
    created_at: datetime
    updated_at: datetime | None = None  # when OIDC last told another name or email


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key to the API, without what opens it."""

    id: str
    user_id: str
    name: str
    prefix: str  # the plaintext's first 12 characters
    created_at: datetime
    last_used_at: datetime | None
    agent: str | None  # the one it is for; None for all of the user's
    scopes: tuple[Scope, ...]  # what it may do, in the order of Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A DNS name as one user sees it."""

    domain: str
    user_id: str | None  # who asked; None for the shared domain
    token: str  # to be published by this user; empty for the shared domain
    verified: bool  # proved by this user
    verified_at: datetime | None
    is_shared: bool
    created_at: datetime
    next_check_at: datetime | None = None  # when its DNS is looked at again by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One address that receives and sends."""

    address: str  # its id
    user_id: str | None  # None only for the operator's own postmaster
    domain: str | None
    name: str
    mode: Mode
    webhook_url: str | None
    webhook_off_at: datetime | None  # when the endpoint answered 410
    events: tuple[str, ...]
    on_unverified: OnUnverified
    hitl_enabled: bool
    hitl_ttl_seconds: int
    hitl_expiration_action: ExpirationAction
    is_postmaster: bool
    domain_verified: bool  # by this agent's own user, or the shared domain
    created_at: datetime
    updated_at: datetime | None  # when its owner last changed it

    @property
    def email_address(self) -> str:
        """Where mail for it goes: the same as its id."""
        return self.address

    @property
    def actual_domain(self) -> str:
        """What stands behind the ``@``."""
        return self.address.rpartition("@")[2]

    def is_shared_domain(self, shared: str | None) -> bool:
        """Whether it lives on the *shared* domain; never, when none is configured."""
        return bool(shared) and self.domain == shared


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSecret:
    """A signing secret of an agent, encrypted."""

    key_id: str
    agent: str
    sealed: bytes
    created_at: datetime
    expires_at: datetime | None  # None for the one that signs


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """An agent as the way in needs it, with the secret that seals for it."""

    address: str
    on_unverified: OnUnverified
    key_id: str
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What is known of a received mail, for one agent, from the moment it was taken."""

    id: str
    agent: str
    recipient: str  # as RCPT TO had it
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


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage(Receipt):
    """One inbound mail as one agent will see it, before it is kept; with an id made beforehand, or a fresh one."""

    id: str = field(default_factory=new_message_id)
    parent_ids: tuple[str, ...]  # In-Reply-To and References, nearest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Receipt):
    """One mail as one agent sees it, without its bytes."""

    seq: int  # of the agent, in order of commit
    direction: Literal["inbound", "outbound"]
    status: MessageStatus
    conversation_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A message handed to one worker for a while."""

    receipt: str
    attempt: int
    expires_at: datetime
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The promise to hand one event to one agent's webhook."""

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
    details: dict[str, Any] | None = None  # what the event says beside its message


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to deliver."""

    at: datetime
    duration_ms: int
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A delivery that one worker has until its lease ends."""

    delivery: Delivery
    number: int  # of this claim: settling with an older one changes nothing
    until: datetime
