"""The address of the page on which one person decides about one draft. Pure."""

from relay.outbound.context import REVIEW_PATH
from relay.signing.link import ReviewLink, review_token
from store.records.outbound import OutboundMessage


def review_link(message: OutboundMessage, user_id: str, *, base_url: str, key: bytes) -> str:
    """It leads this user to the held *message* as it is now, for as long as it waits."""
    assert message.hold_expires_at is not None, "it waits"
    link = ReviewLink(
        message_id=message.id, revision=message.revision, user_id=user_id, expires_at=message.hold_expires_at
    )
    return f"{base_url}{REVIEW_PATH}{review_token(link, key=key)}"
