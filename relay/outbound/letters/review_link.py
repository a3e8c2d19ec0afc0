"""The address of the page on which one reviewer decides about one draft. Pure."""

from relay.outbound.context import REVIEW_PATH
from relay.signing.link import ReviewLink, review_token
from store.records.outbound import OutboundMessage


def review_link(message: OutboundMessage, user_id: str, *, base_url: str, key: bytes) -> str:
    """The link of this user to this revision of the held *message*, valid until the hold ends."""
    assert message.hold_expires_at is not None, "a held message has an end"
    link = ReviewLink(
        message_id=message.id, revision=message.revision, user_id=user_id, expires_at=message.hold_expires_at
    )
    return f"{base_url}{REVIEW_PATH}{review_token(link, key=key)}"
