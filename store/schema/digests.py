"""The table of mails received in the last 24 hours, to know one that comes again."""

from typing import Final

from sqlalchemy import Column, ForeignKey, Table, Text

from store.schema.base import metadata
from store.types import UtcDateTime

# See store/mail/received_digests.py.
received_digests: Final = Table(
    "received_digests",
    metadata,
    Column("digest", Text, primary_key=True),  # hex SHA-256 of reverse-path, recipient, verified, content
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("received_at", UtcDateTime, nullable=False, index=True),
)
