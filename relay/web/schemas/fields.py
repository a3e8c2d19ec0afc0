"""Annotated field types shared by request and response models."""

from typing import Annotated, Final

from pydantic import Field

ID_BODY: Final = "dn7luarbclidfshal6f39oa0p9b4w"  # used in all examples
SHA256: Final = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

Time = Annotated[
    str,
    Field(description="RFC 3339, UTC.", examples=["2026-11-23T15:17:00Z"], json_schema_extra={"format": "date-time"}),
]
NextCursor = Annotated[
    str | None, Field(description="Pass it as `cursor` to get the next page; null: this is the last page.")
]
AgentAddress = Annotated[str, Field(description="The agent's address, its id.", examples=["support@agents.example"])]
MessageId = Annotated[str, Field(description="The message's id.", examples=[f"msg_{ID_BODY}"])]
EventId = Annotated[
    str, Field(description="The event's id: the `webhook-id` of every attempt.", examples=[f"evt_{ID_BODY}"])
]
DeliveryId = Annotated[str, Field(description="The delivery's id.", examples=[f"dlv_{ID_BODY}"])]
ConversationId = Annotated[str, Field(description="The conversation it belongs to.", examples=[f"conv_{ID_BODY}"])]
Subject = Annotated[str, Field(description="Decoded, one line; empty if absent.", examples=["Order 1021"])]
Direction = Annotated[str, Field(description="`inbound`: received. `outbound`: sent.", examples=["inbound"])]
Verified = Annotated[bool, Field(description="SPF or DKIM passed for a domain aligned with the From domain (DMARC).")]
VerifiedDomain = Annotated[
    str | None, Field(description="The From domain if verified, else null.", examples=["sender.example"])
]
Automated = Annotated[bool, Field(description="An automatic message (RFC 3834); do not reply to it automatically.")]
RawSize = Annotated[int, Field(description="Size of `raw` in bytes.", examples=[5120])]
RawSha256 = Annotated[str, Field(description="SHA-256 of `raw`, hexadecimal.", examples=[SHA256])]
HttpStatus = Annotated[
    int | None, Field(description="HTTP status of the response; null without a response.", examples=[200])
]
WhyNot = Annotated[str | None, Field(description="The error, for people; null without an error.")]
Milliseconds = Annotated[int, Field(description="Milliseconds until the response.", examples=[42])]
