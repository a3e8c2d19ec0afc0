"""What requests may hold and answers do hold, as /openapi.json shows it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from relay.web.answers.problems import CODES, EXAMPLE_URL, problem_type
from relay.web.schemas.fields import ID_BODY, Time
from relay.web.schemas.messages import MessageData

Receipt = Annotated[str, Field(max_length=100)]
Receipts = Annotated[
    list[Receipt],
    Field(min_length=1, max_length=100, description="As `lease` gave them.", examples=[[f"msg_{ID_BODY}.3f0c9a…"]]),
]
WaitSeconds = Annotated[float, Field(ge=0, le=60, description="Seconds to wait for the first if there is none.")]
LeaseSeconds = Annotated[int, Field(ge=1, le=3600, description="How long they are the caller's alone.")]


class Shape(BaseModel):
    """A request body: a field nobody knows is an error of the client's worth telling."""

    model_config = ConfigDict(extra="forbid")


class StatusChange(Shape):
    """PATCH of a message."""

    status: Literal["read", "unread"] = Field(description="`unread` puts it into the queue again, too.")


class LeaseRequest(Shape):
    """What a worker asks of the queue."""

    max: int = Field(default=1, ge=1, le=100, description="How many messages at most.")
    lease_seconds: LeaseSeconds = 60
    wait: WaitSeconds = 0


class AckRequest(Shape):
    """Messages that are dealt with."""

    receipts: Receipts


class NackRequest(Shape):
    """Messages to be had again."""

    receipts: Receipts
    delay_seconds: int = Field(default=0, ge=0, le=86_400, description="How long nobody gets them.")


class ExtendRequest(Shape):
    """Leases that should last longer."""

    receipts: Receipts
    lease_seconds: LeaseSeconds = 60


class LeasedMessage(BaseModel):
    """A message taken from the queue."""

    receipt: str = Field(
        description="What acks it, and is worth nothing once the lease is over.", examples=[f"msg_{ID_BODY}.3f0c9a…"]
    )
    attempt: int = Field(description="How often it has been leased, this time included.", examples=[1])
    lease_expires_at: Time
    message: MessageData


class LeasePage(BaseModel):
    """What a lease got."""

    items: list[LeasedMessage] = Field(description="Oldest first; empty if there is none.")


class ReceiptResult(BaseModel):
    """What became of one receipt."""

    receipt: str = Field(description="As it was given.", examples=[f"msg_{ID_BODY}.3f0c9a…"])
    status: int = Field(description="200, or 409 where its lease was over and nothing was changed.", examples=[200])
    code: str | None = Field(description="`lease_lost`, or null.")


class ReceiptResults(BaseModel):
    """What became of each receipt, in the order they were given."""

    items: list[ReceiptResult] = Field(description="One for each receipt.")


class Fault(BaseModel):
    """One thing that does not fit."""

    at: str = Field(description="Where in the request.", examples=["body/receipts/0"])
    problem: str = Field(description="What about it.", examples=["Input should be a valid string"])


class Problem(BaseModel):
    """RFC 9457, with a stable code."""

    type: str = Field(
        description="The address of the code's entry in the help pages.",
        examples=[problem_type("agent_not_found", EXAMPLE_URL)],
    )
    title: str = Field(description="What the status says.", examples=["Not Found"])
    status: int = Field(description="The same as the answer's own.", examples=[404])
    code: str = Field(
        description="What programs look at: it never changes.",
        examples=["agent_not_found"],
        json_schema_extra={"enum": list(CODES)},
    )
    detail: str = Field(description="For people; it may change.", examples=["No such agent"])
    errors: list[Fault] | None = Field(default=None, description="Of `invalid_request` and `malformed_json` alone.")
