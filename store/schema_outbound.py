"""The tables of what agents write; the row that lists show is in ``messages``, see store/schema.py."""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Integer, LargeBinary, Table, Text

from store.schema_base import metadata
from store.types import Json, UtcDateTime

# What an agent wrote, beside the row that lists show. The content goes when its way has ended.
outbound: Final = Table(
    "outbound",
    metadata,
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("to", Json, nullable=False),
    Column("cc", Json, nullable=False),
    Column("bcc", Json, nullable=False),
    Column("text", Text),
    Column("html", Text),
    Column("headers", Json, nullable=False),  # what the agent added, as [name, value] pairs
    Column("revision", Integer, nullable=False, server_default="1"),  # counted up by each edit that changed something
    Column("reviewed_by", ForeignKey("users.id", ondelete="SET NULL"), index=True),
    Column("reviewed_at", UtcDateTime),
    Column("reason", Text),  # what a reviewer said
    Column("error", Text),  # why the last attempt failed
    Column("scrubbed_at", UtcDateTime),  # when text, html and attachments were taken out
    CheckConstraint("kind IN ('send', 'reply', 'forward')", name="kind"),
    CheckConstraint("revision > 0", name="revision"),
    CheckConstraint("scrubbed_at IS NULL OR (text IS NULL AND html IS NULL)", name="scrubbed"),
)

outbound_attachments: Final = Table(
    "outbound_attachments",
    metadata,
    Column("message_id", ForeignKey("outbound.message_id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),  # from 0
    Column("filename", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    CheckConstraint("number >= 0", name="number"),
    CheckConstraint("size >= 0", name="size"),
)

send_attempts: Final = Table(
    "send_attempts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("origin", Text, nullable=False),  # what made it go: the queue, a person, or a hold's end
    Column("outcome", Text, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    Column("provider_message_id", Text),  # as the provider wrote it
    Column("error", Text),
    CheckConstraint("origin IN ('queue', 'approval', 'expiry')", name="origin"),
    CheckConstraint("outcome IN ('sending', 'sent', 'failed', 'unconfirmed')", name="outcome"),
)
