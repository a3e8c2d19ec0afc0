"""Models for activity, conversations, deliveries, usage and health."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from relay.web.schemas.common import Shape
from relay.web.schemas.content import Mailbox
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

EventName = Annotated[str, Field(description="Event type.", examples=["email.received"])]
DeliveryStatus = Annotated[
    Literal["pending", "delivered", "dead"],
    Field(description="`pending`: still attempted. `dead`: given up; can be replayed."),
]
Attempts = Annotated[int, Field(description="Number of attempts.", examples=[1])]
LastStatus = Annotated[
    int | None, Field(description="HTTP status of the last attempt; null without a response.", examples=[200])
]
LastError = Annotated[str | None, Field(description="Error of the last attempt, for people.")]
Mails = Annotated[int, Field(description="Number of messages.", examples=[3])]
Octets = Annotated[int, Field(description="Total size in bytes.", examples=[15_360])]
Day = Annotated[str, Field(description="Date, UTC.", examples=["2026-11-23"], json_schema_extra={"format": "date"})]


class DeliveryState(BaseModel):
    """State of the webhook delivery of one event."""

    delivery_id: DeliveryId
    event_type: EventName
    status: DeliveryStatus
    attempts: Attempts
    last_status: LastStatus
    last_error: LastError


class ActivityItem(BaseModel):
    """One message, inbound or outbound."""

    message_id: MessageId
    agent: AgentAddress
    seq: int = Field(description="Sequence number in the agent's mailbox.", examples=[41])
    direction: Direction
    status: str = Field(description="`unread` or `read` if inbound, else the outbound status.", examples=["unread"])
    conversation_id: ConversationId | None
    from_: Mailbox = Field(alias="from", description="The From address.")
    to: list[str] = Field(
        description="All recipients if outbound; the receiving address if inbound.",
        examples=[["support@agents.example"]],
    )
    subject: Subject
    verified: Verified
    verified_domain: VerifiedDomain
    automated: Automated
    raw_size: RawSize
    at: Time
    deliveries: list[DeliveryState] = Field(description="Oldest first.")


class ActivityPage(BaseModel):
    """A page of messages, newest first."""

    items: list[ActivityItem] = Field(description="At most `limit`.")
    next_cursor: NextCursor


class LastMessage(BaseModel):
    """The newest message of a conversation."""

    direction: Direction
    at: Time
    from_address: str = Field(description="The From address.", examples=["ana@sender.example"])
    subject: Subject


class ConversationItem(BaseModel):
    """A conversation."""

    conversation_id: ConversationId
    messages: int = Field(description="Number of messages.", examples=[2])
    last: LastMessage


class ConversationPage(BaseModel):
    """A page of conversations, the one with the newest message first."""

    items: list[ConversationItem] = Field(description="At most `limit`.")
    next_cursor: NextCursor


class DeliveryItem(BaseModel):
    """The delivery of one event to one webhook."""

    delivery_id: DeliveryId
    event_id: EventId
    event_type: EventName
    agent: AgentAddress
    message_id: MessageId | None
    status: DeliveryStatus
    attempts: Attempts
    due_at: Time | None = Field(description="Time of the next attempt, if pending.")
    created_at: Time
    settled_at: Time | None = Field(description="Time at which it was delivered or given up.")
    last_status: LastStatus
    last_error: LastError


class DeliveryPage(BaseModel):
    """A page of deliveries, newest first."""

    items: list[DeliveryItem] = Field(description="At most `limit`.")
    next_cursor: NextCursor


class AttemptItem(BaseModel):
    """One delivery attempt."""

    at: Time
    status: HttpStatus
    duration_ms: Milliseconds
    error: WhyNot


class DeliveryDocument(DeliveryItem):
    """A delivery with its attempts."""

    tried: list[AttemptItem] = Field(description="The attempts that are kept, oldest first.")


class ReplayRequest(Shape):
    """The agent whose dead deliveries are replayed."""

    agent: str = Field(max_length=320, description="The agent's address.", examples=["support@agents.example"])


class ReplayedDeliveries(BaseModel):
    """The replayed deliveries."""

    delivery_ids: list[DeliveryId] = Field(description="The deliveries that are pending again.")
    more: bool = Field(description="More dead deliveries exist: repeat the request.")


class TrialDocument(BaseModel):
    """The result of posting a sample event to a webhook."""

    event_id: EventId
    message_id: str = Field(
        description="Id in the sample; no such message exists.", examples=["msg_dn7luarbclidfshal6f39oa0p9b4w"]
    )
    webhook_url: str = Field(description="URL to which it was posted.", examples=["https://hooks.example/in"])
    delivered: bool = Field(description="Whether the response was 2xx.")
    status: HttpStatus
    error: WhyNot
    duration_ms: Milliseconds


class Amount(BaseModel):
    """A number of messages and their size."""

    count: Mails
    bytes: Octets


class UsageDay(BaseModel):
    """Usage of one day; kinds without messages are left out."""

    day: Day
    received: Amount | None = Field(default=None, description="Received messages.")
    sent: Amount | None = Field(default=None, description="Sent messages.")
    failed: Amount | None = Field(default=None, description="Messages that could not be sent.")
    bounced: Amount | None = Field(default=None, description="Bounced messages.")
    complained: Amount | None = Field(default=None, description="Messages reported as spam.")


class UsagePage(BaseModel):
    """Usage by day, oldest first."""

    from_: Day = Field(alias="from")
    to: Day
    items: list[UsageDay] = Field(description="Days with messages.")


class ErasedAccount(BaseModel):
    """The data deleted with an account."""

    deleted: dict[str, int] = Field(
        description="Number of deleted rows by table.", examples=[{"agents": 1, "messages": 3}]
    )


class Alive(BaseModel):
    """The check succeeded."""

    status: Literal["ok"] = Field(description="Always `ok`.")
