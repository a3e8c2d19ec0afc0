"""Fields that many requests and answers have, each told once for /openapi.json."""

from typing import Annotated, Final

from pydantic import Field

ID_BODY: Final = "dn7luarbclidfshal6f39oa0p9b4w"  # of every example
SHA256: Final = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

Time = Annotated[
    str,
    Field(description="RFC 3339, UTC.", examples=["2026-11-23T15:17:00Z"], json_schema_extra={"format": "date-time"}),
]
NextCursor = Annotated[
    str | None, Field(description="What to ask the next page with, as `cursor`; null: this is the end.")
]
AgentAddress = Annotated[str, Field(description="The agent's address, its id.", examples=["support@agents.example"])]
MessageId = Annotated[str, Field(description="The message's id.", examples=[f"msg_{ID_BODY}"])]
EventId = Annotated[
    str, Field(description="The event's id: the `webhook-id` of every attempt.", examples=[f"evt_{ID_BODY}"])
]
DeliveryId = Annotated[str, Field(description="The delivery's id.", examples=[f"dlv_{ID_BODY}"])]
ConversationId = Annotated[str, Field(description="The conversation it belongs to.", examples=[f"conv_{ID_BODY}"])]
Subject = Annotated[str, Field(description="Decoded, one line; empty without one.", examples=["Order 1021"])]
Direction = Annotated[str, Field(description="`inbound` came in, `outbound` goes out.", examples=["inbound"])]
Verified = Annotated[bool, Field(description="Whether the domain behind From really sent it: DMARC alignment holds.")]
VerifiedDomain = Annotated[
    str | None, Field(description="The From domain when verified, else null.", examples=["sender.example"])
]
Automated = Annotated[
    bool, Field(description="A machine sent it, by its own word (RFC 3834): no machine should answer it.")
]
RawSize = Annotated[int, Field(description="Bytes of `raw`.", examples=[5120])]
RawSha256 = Annotated[str, Field(description="SHA-256 of `raw`, hexadecimal.", examples=[SHA256])]
HttpStatus = Annotated[
    int | None, Field(description="HTTP status of the answer; null where none came.", examples=[200])
]
WhyNot = Annotated[str | None, Field(description="What went wrong, for people; null: nothing.")]
Milliseconds = Annotated[int, Field(description="Milliseconds until the answer was there.", examples=[42])]
