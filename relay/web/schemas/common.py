"""Request and response models for the queue, and the problem document."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from relay.web.answers.problems import CODES, EXAMPLE_URL, problem_type
from relay.web.schemas.fields import ID_BODY, Time
from relay.web.schemas.messages import MessageData

Receipt = Annotated[str, Field(max_length=100)]
Receipts = Annotated[
    list[Receipt],
    Field(
        min_length=1, max_length=100, description="Receipts returned by `lease`.", examples=[[f"msg_{ID_BODY}.3f0c9a…"]]
    ),
]
WaitSeconds = Annotated[float, Field(ge=0, le=60, description="Seconds to wait for a message if there is none.")]
LeaseSeconds = Annotated[int, Field(ge=1, le=3600, description="Seconds until the lease expires.")]


class Shape(BaseModel):
    """A request body. Unknown fields are errors, and values of another type, such as "5" or true for 5."""

    model_config = ConfigDict(extra="forbid", strict=True)


class StatusChange(Shape):
    """The new status of a message."""

    status: Literal["read", "unread"] = Field(description="`unread` also returns it to the queue.")


class LeaseRequest(Shape):
    """Parameters of a lease."""

    max: int = Field(default=1, ge=1, le=100, description="Maximum number of messages.")
    lease_seconds: LeaseSeconds = 60
    wait: WaitSeconds = 0


class AckRequest(Shape):
    """Messages to acknowledge."""

    receipts: Receipts


class NackRequest(Shape):
    """Messages to return to the queue."""

    receipts: Receipts
    delay_seconds: int = Field(default=0, ge=0, le=86_400, description="Seconds until they are available again.")


class ExtendRequest(Shape):
    """Leases to extend."""

    receipts: Receipts
    lease_seconds: LeaseSeconds = 60


class LeasedMessage(BaseModel):
    """A leased message."""

    receipt: str = Field(
        description="Identifies the lease, for ack, nack and extend; invalid once it expires.",
        examples=[f"msg_{ID_BODY}.3f0c9a…"],
    )
    attempt: int = Field(description="Number of leases of this message, including this one.", examples=[1])
    lease_expires_at: Time
    message: MessageData


class LeasePage(BaseModel):
    """The leased messages."""

    items: list[LeasedMessage] = Field(description="Oldest first; empty if there are none.")


class ReceiptResult(BaseModel):
    """The result for one receipt."""

    receipt: str = Field(description="The receipt of the request.", examples=[f"msg_{ID_BODY}.3f0c9a…"])
    status: int = Field(
        description="200; or 409 if the lease had expired and the message was not changed.", examples=[200]
    )
    code: str | None = Field(description="`lease_lost`, or null.")


class ReceiptResults(BaseModel):
    """The result for each receipt, in the order of the request."""

    items: list[ReceiptResult] = Field(description="One for each receipt.")


class Fault(BaseModel):
    """One error in the request."""

    at: str = Field(description="Location in the request.", examples=["body/receipts/0"])
    problem: str = Field(description="The error.", examples=["Input should be a valid string"])


class Problem(BaseModel):
    """A problem document (RFC 9457) with a stable code."""

    type: str = Field(
        description="URL of the code's entry in the documentation.",
        examples=[problem_type("agent_not_found", EXAMPLE_URL)],
    )
    title: str = Field(description="Text of the HTTP status.", examples=["Not Found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    code: str = Field(
        description="Stable identifier for programs.",
        examples=["agent_not_found"],
        json_schema_extra={"enum": list(CODES)},
    )
    detail: str = Field(description="Explanation for people; the text may change.", examples=["No such agent"])
    errors: list[Fault] | None = Field(default=None, description="Only for `invalid_request` and `malformed_json`.")
