"""Response models for suppressions and provider events."""

from pydantic import BaseModel, Field

from relay.web.schemas.fields import MessageId, NextCursor, Time
from store.records.feedback import SuppressionReason


class SuppressionDocument(BaseModel):
    """A suppressed recipient: your agents cannot send to it."""

    address: str = Field(description="Lower-case; the domain as A-labels.", examples=["ana@reader.example"])
    reason: SuppressionReason = Field(
        description="`bounced`: a permanent bounce. `complained`: the recipient reported a message as spam."
    )
    detail: str = Field(description="Text of the report; may be empty.", examples=["smtp; 550 5.1.1 unknown"])
    message_id: MessageId | None = Field(description="The message that caused it; it may be deleted.")
    created_at: Time


class SuppressionPage(BaseModel):
    """A page of suppressed recipients, by address."""

    items: list[SuppressionDocument] = Field(description="At most `limit`.")
    next_cursor: NextCursor


class EventTaken(BaseModel):
    """The event was stored, or concerned no message of this server."""

    status: str = Field(description="`ok`.", examples=["ok"])
