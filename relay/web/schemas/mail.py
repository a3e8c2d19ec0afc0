"""What answers about mail on its way hold, and what is asked about it, as /openapi.json shows it."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from relay.web.schemas.common import Shape
from relay.web.schemas.fields import (
    AgentAddress,
    Automated,
    ConversationId,
    DeliveryId,
    Direction,
    EventId,
    HttpStatus,
    MessageId,
    Milliseconds,
    NextCursor,
    RawSize,
    Subject,
    Time,
    Verified,
    VerifiedDomain,
    WhyNot,
)
from relay.web.schemas.messages import Mailbox

EventName = Annotated[str, Field(description="What happened.", examples=["email.received"])]
DeliveryStatus = Annotated[
    Literal["pending", "delivered", "dead"],
    Field(description="`pending`: still tried. `dead`: given up, and replayable."),
]
Attempts = Annotated[int, Field(description="How often it was tried.", examples=[1])]
LastStatus = Annotated[
    int | None, Field(description="HTTP status of the last try; null where none came.", examples=[200])
]
LastError = Annotated[str | None, Field(description="What went wrong the last time, for people.")]
Mails = Annotated[int, Field(description="Mails.", examples=[3])]
Octets = Annotated[int, Field(description="Bytes of them.", examples=[15_360])]
Day = Annotated[str, Field(description="A day of UTC.", examples=["2026-11-23"], json_schema_extra={"format": "date"})]


class DeliveryState(BaseModel):
    """How the hand-over of one event about a message stands."""

    delivery_id: DeliveryId
    event_type: EventName
    status: DeliveryStatus
    attempts: Attempts
    last_status: LastStatus
    last_error: LastError


class ActivityItem(BaseModel):
    """One message of either direction."""

    message_id: MessageId
    agent: AgentAddress
    seq: int = Field(description="Its number in the agent's mailbox.", examples=[41])
    direction: Direction
    status: str = Field(description="Of an inbound one `unread` or `read`.", examples=["unread"])
    conversation_id: ConversationId | None
    from_: Mailbox = Field(alias="from", description="Who it says it is from.")
    to: list[str] = Field(
        description="Everybody it goes to, or where it came in.", examples=[["support@agents.example"]]
    )
    subject: Subject
    verified: Verified
    verified_domain: VerifiedDomain
    automated: Automated
    raw_size: RawSize
    at: Time
    deliveries: list[DeliveryState] = Field(description="Oldest first.")


class ActivityPage(BaseModel):
    """Messages, newest first."""

    items: list[ActivityItem] = Field(description="At most `limit`.")
    next_cursor: NextCursor


class LastMessage(BaseModel):
    """The newest message of a conversation."""

    direction: Direction
    at: Time
    from_address: str = Field(description="Who it says it is from.", examples=["ana@sender.example"])
    subject: Subject


class ConversationItem(BaseModel):
    """Mails that belong together."""

    conversation_id: ConversationId
    messages: int = Field(description="How many there are.", examples=[2])
    last: LastMessage


class ConversationPage(BaseModel):
    """Conversations, the one with the newest message first."""

    items: list[ConversationItem] = Field(description="At most `limit`.")
    next_cursor: NextCursor


class DeliveryItem(BaseModel):
    """The promise to hand one event to one webhook."""

    delivery_id: DeliveryId
    event_id: EventId
    event_type: EventName
    agent: AgentAddress
    message_id: MessageId | None
    status: DeliveryStatus
    attempts: Attempts
    due_at: Time | None = Field(description="When a pending one is tried next.")
    created_at: Time
    settled_at: Time | None = Field(description="When it was delivered or given up.")
    last_status: LastStatus
    last_error: LastError


class DeliveryPage(BaseModel):
    """Deliveries, newest first."""

    items: list[DeliveryItem] = Field(description="At most `limit`.")
    next_cursor: NextCursor


class AttemptItem(BaseModel):
    """One try."""

    at: Time
    status: HttpStatus
    duration_ms: Milliseconds
    error: WhyNot


class DeliveryDocument(DeliveryItem):
    """A delivery with every attempt."""

    tried: list[AttemptItem] = Field(description="Every attempt that is remembered, oldest first.")


class ReplayRequest(Shape):
    """Whose dead deliveries to send again."""

    agent: str = Field(max_length=320, description="The agent's address.", examples=["support@agents.example"])


class ReplayedDeliveries(BaseModel):
    """What is due again."""

    delivery_ids: list[DeliveryId] = Field(description="Those that are due now.")
    more: bool = Field(description="There are further dead ones: ask again.")


class TrialDocument(BaseModel):
    """What came back from a webhook that was tried."""

    event_id: EventId
    message_id: str = Field(description="Of a sample that is not kept.", examples=["msg_dn7luarbclidfshal6f39oa0p9b4w"])
    webhook_url: str = Field(description="Where it was posted.", examples=["https://hooks.example/in"])
    delivered: bool = Field(description="Whether a 2xx came back.")
    status: HttpStatus
    error: WhyNot
    duration_ms: Milliseconds


class Amount(BaseModel):
    """How many, and how much."""

    count: Mails
    bytes: Octets


class UsageDay(BaseModel):
    """One day, with the kinds of which there was something."""

    day: Day
    received: Amount | None = Field(default=None, description="Mail that came in.")
    sent: Amount | None = Field(default=None, description="Mail that went out.")
    failed: Amount | None = Field(default=None, description="Mail that could not go out.")
    bounced: Amount | None = Field(default=None, description="Mail that came back.")
    complained: Amount | None = Field(default=None, description="Mail that somebody complained of.")


class UsagePage(BaseModel):
    """Usage by day, oldest first."""

    from_: Day = Field(alias="from")
    to: Day
    items: list[UsageDay] = Field(description="The days on which there was something.")


class ErasedAccount(BaseModel):
    """What went with an account."""

    deleted: dict[str, int] = Field(description="Rows, by table.", examples=[{"agents": 1, "messages": 3}])


class Alive(BaseModel):
    """All is well."""

    status: Literal["ok"] = Field(description="Nothing else is said.")
