"""What answers about mail that came back hold, as /openapi.json shows it."""

from pydantic import BaseModel, Field

from relay.web.schemas.fields import MessageId, NextCursor, Time
from store.records.feedback import SuppressionReason


class SuppressionDocument(BaseModel):
    """An address that none of your agents writes to any more."""

    address: str = Field(description="Lower-case, its domain in A-labels.", examples=["ana@reader.example"])
    reason: SuppressionReason = Field(
        description="`bounced`: mail can never arrive there; `complained`: its owner called one of yours spam."
    )
    detail: str = Field(description="The words of whoever said so; may be empty.", examples=["smtp; 550 5.1.1 unknown"])
    message_id: MessageId | None = Field(description="The mail that it followed from, which may be gone.")
    created_at: Time


class SuppressionPage(BaseModel):
    """A page of addresses, by name."""

    items: list[SuppressionDocument] = Field(description="At most `limit`.")
    next_cursor: NextCursor


class EventTaken(BaseModel):
    """The event is kept, or was nobody's."""

    status: str = Field(description="`ok`.", examples=["ok"])
