"""Annotated query and path parameters shared by routes."""

from typing import Annotated

from fastapi import Path, Query

from relay.web.schemas.fields import ID_BODY

Limit = Annotated[int, Query(ge=1, le=200, description="Maximum number of items.")]
Cursor = Annotated[str | None, Query(max_length=100, description="The `next_cursor` of the previous page.")]
NameCursor = Annotated[str | None, Query(max_length=320, description="The `next_cursor` of the previous page.")]
MessageId = Annotated[str, Path(description="The message's id.", examples=[f"msg_{ID_BODY}"])]
ConversationId = Annotated[str, Path(description="The conversation's id.", examples=[f"conv_{ID_BODY}"])]
DeliveryId = Annotated[str, Path(description="The delivery's id.", examples=[f"dlv_{ID_BODY}"])]
KeyId = Annotated[str, Path(description="The key's id.", examples=[f"key_{ID_BODY}"])]
AttachmentIndex = Annotated[int, Path(description="The attachment's `index`.", examples=[0])]
DomainName = Annotated[
    str, Path(max_length=320, description="In any spelling; U-labels must be URL-encoded.", examples=["agents.example"])
]
