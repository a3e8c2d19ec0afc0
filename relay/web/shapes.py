"""What requests may hold and answers do hold, as /openapi.json shows it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from relay.web.problems import CODES

Receipts = Annotated[list[Annotated[str, Field(max_length=100)]], Field(min_length=1, max_length=100)]
WaitSeconds = Annotated[float, Field(ge=0, le=60)]
LeaseSeconds = Annotated[int, Field(ge=1, le=3600)]


class Shape(BaseModel):
    """A request body: a field nobody knows is an error of the client's worth telling."""

    model_config = ConfigDict(extra="forbid")


class StatusChange(Shape):
    """PATCH of a message."""

    status: Literal["read", "unread"]


class LeaseRequest(Shape):
    """What a worker asks of the queue."""

    max: int = Field(default=1, ge=1, le=100)
    lease_seconds: LeaseSeconds = 60
    wait: WaitSeconds = 0


class AckRequest(Shape):
    """Messages that are dealt with."""

    receipts: Receipts


class NackRequest(Shape):
    """Messages to be had again."""

    receipts: Receipts
    delay_seconds: int = Field(default=0, ge=0, le=86_400)


class ExtendRequest(Shape):
    """Leases that should last longer."""

    receipts: Receipts
    lease_seconds: LeaseSeconds = 60


class MessagePage(BaseModel):
    """A page of messages, without their texts."""

    items: list[dict[str, Any]]
    next_cursor: str | None


class LeasedMessage(BaseModel):
    """A message taken from the queue."""

    receipt: str
    attempt: int
    lease_expires_at: str
    message: dict[str, Any]


class LeasePage(BaseModel):
    """What a lease got."""

    items: list[LeasedMessage]


class ReceiptResult(BaseModel):
    """What became of one receipt."""

    receipt: str
    status: int  # 200, or 409 where its lease was over and nothing was changed
    code: str | None


class ReceiptResults(BaseModel):
    """What became of each receipt, in the order they were given."""

    items: list[ReceiptResult]


class Fault(BaseModel):
    """One thing that does not fit."""

    at: str = Field(description="Where in the request.", examples=["body/receipts/0"])
    problem: str = Field(description="What about it.", examples=["Input should be a valid string"])


class Problem(BaseModel):
    """RFC 9457, with a stable code."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(description="What the status says.", examples=["Not Found"])
    status: int = Field(description="The same as the answer's own.", examples=[404])
    code: str = Field(
        description="What programs look at: it never changes.",
        examples=["agent_not_found"],
        json_schema_extra={"enum": list(CODES)},
    )
    detail: str = Field(description="For people; it may change.", examples=["No such agent"])
    errors: list[Fault] | None = Field(default=None, description="Of `invalid_request` and `malformed_json` alone.")
