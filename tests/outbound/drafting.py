"""A draft and who writes it, for every test that needs a mail."""

from datetime import UTC, datetime

from relay.outbound.compose.compose import Author, compose
from store.records.outbound import Draft, OutboundAttachment

AT = datetime(2026, 11, 23, 15, 17, tzinfo=UTC)
AUTHOR = Author(address="bot@agents.example", name="Bot")
PDF = OutboundAttachment(filename="a.pdf", content_type="application/pdf", content=b"%PDF-\0\xff" * 40)


def draft(**changes):
    return Draft(**({"to": ("ana@example.com",), "subject": "Hello", "text": "Hi"} | changes))


def composed(one=None, author=AUTHOR, **changes):
    return compose(one or draft(), author, **({"message_id": "msg_1", "at": AT, "boundary": "b0"} | changes))
