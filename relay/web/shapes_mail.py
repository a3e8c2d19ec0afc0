"""What answers about mail on its way hold, and what is asked about it, as /openapi.json shows it."""

from typing import Literal

from pydantic import BaseModel, Field

from relay.web.shapes import Shape

Time = str  # RFC 3339, UTC


class Person(BaseModel):
    """Who a mail says it is from."""

    name: str
    address: str


class DeliveryState(BaseModel):
    """How the hand-over of one event about a message stands."""

    delivery_id: str
    event_type: str
    status: Literal["pending", "delivered", "dead"]
    attempts: int
    last_status: int | None
    last_error: str | None


class ActivityItem(BaseModel):
    """One message of either direction."""

    message_id: str
    agent: str
    seq: int
    direction: Literal["inbound", "outbound"]
    status: str
    conversation_id: str | None
    from_: Person = Field(alias="from")
    to: list[str]
    subject: str
    verified: bool
    verified_domain: str | None
    automated: bool
    raw_size: int
    at: Time
    deliveries: list[DeliveryState]


class ActivityPage(BaseModel):
    """Messages, newest first."""

    items: list[ActivityItem]
    next_cursor: str | None


class LastMessage(BaseModel):
    """The newest message of a conversation."""

    direction: Literal["inbound", "outbound"]
    at: Time
    from_address: str
    subject: str


class ConversationItem(BaseModel):
    """Mails that belong together."""

    conversation_id: str
    messages: int
    last: LastMessage


class ConversationPage(BaseModel):
    """Conversations, the one with the newest message first."""

    items: list[ConversationItem]
    next_cursor: str | None


class DeliveryItem(BaseModel):
    """The promise to hand one event to one webhook."""

    delivery_id: str
    event_id: str
    event_type: str
    agent: str
    message_id: str | None
    status: Literal["pending", "delivered", "dead"]
    attempts: int
    due_at: Time | None  # of a pending one
    created_at: Time
    settled_at: Time | None
    last_status: int | None
    last_error: str | None


class DeliveryPage(BaseModel):
    """Deliveries, newest first."""

    items: list[DeliveryItem]
    next_cursor: str | None


class AttemptItem(BaseModel):
    """One try."""

    at: Time
    status: int | None  # of HTTP; null where no answer came
    duration_ms: int
    error: str | None


class DeliveryDocument(DeliveryItem):
    """A delivery with every attempt."""

    tried: list[AttemptItem]


class ReplayRequest(Shape):
    """Whose dead deliveries to send again."""

    agent: str = Field(max_length=320, examples=["support@agents.example"])


class ReplayedDeliveries(BaseModel):
    """What is due again."""

    delivery_ids: list[str]
    more: bool  # there are further dead ones: ask again


class TrialDocument(BaseModel):
    """What came back from a webhook that was tried."""

    event_id: str
    message_id: str  # of a sample that is not kept
    webhook_url: str
    delivered: bool
    status: int | None
    error: str | None
    duration_ms: int


class Amount(BaseModel):
    """How many, and how much."""

    count: int
    bytes: int


class UsageDay(BaseModel):
    """One day, with the kinds of which there was something."""

    day: str
    received: Amount | None = None
    sent: Amount | None = None
    failed: Amount | None = None
    bounced: Amount | None = None
    complained: Amount | None = None


class UsagePage(BaseModel):
    """Usage by day, oldest first."""

    from_: str = Field(alias="from")
    to: str
    items: list[UsageDay]


class ErasedAccount(BaseModel):
    """What went with an account."""

    deleted: dict[str, int]  # rows, by table
