"""The tables of outbound messages; the row that lists show is in ``messages``, see store/schema/inbound.py."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from store.schema.base import metadata
from store.types import Json, UtcDateTime

# The very words of the partial index and of its queries: see store/schema/inbound.py.
WAITING: Final = text("status = 'pending'")
# SQLite counts rows by itself only in a column called INTEGER PRIMARY KEY.
_Counter: Final = BigInteger().with_variant(Integer(), "sqlite")

# The content of an outbound message, apart from its row in messages. It is removed when the message is settled.
outbound: Final = Table(
    "outbound",
    metadata,
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("to", Json, nullable=False),
    Column("cc", Json, nullable=False),
    Column("bcc", Json, nullable=False),
    Column("names", Json, nullable=False, server_default="[]"),  # what recipients are called, as [address, name] pairs
    Column("text", Text),
    Column("html", Text),
    Column("headers", Json, nullable=False),  # what the agent added, as [name, value] pairs
    Column("revision", Integer, nullable=False, server_default="1"),  # counted up by each edit that changed something
    Column("reviewed_by", ForeignKey("users.id", ondelete="SET NULL"), index=True),
    Column("reviewed_at", UtcDateTime),
    Column("reason", Text),  # what a reviewer said
    Column("error", Text),  # why the last attempt failed
    Column("scrubbed_at", UtcDateTime),  # when text, html and attachments were taken out
    # Hex SHA-256 of the bytes that go over the wire: what a reviewer approves. It stays when they have gone.
    Column("digest", Text),
    Column("answered", Json),  # the ids that the mail names as answered, for composing it again after an edit
    Column("hold_reason", Text),  # why a person is asked: the agent's owner wants it, or a cap was reached
    CheckConstraint("digest IS NULL OR length(digest) = 64", name="digest"),
    CheckConstraint("hold_reason IN ('owner', 'sends', 'replies', 'recipients')", name="hold_reason"),
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

# Provider events about a message, one row for each recipient.
feedback: Final = Table(
    "feedback",
    metadata,
    Column("number", _Counter, primary_key=True, autoincrement=True),
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("event_id", Text, nullable=False),  # the provider's, which may come twice
    Column("kind", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("is_permanent", Boolean, nullable=False, server_default=false()),  # trying again cannot help
    Column("detail", Text, nullable=False, server_default=""),  # the provider's words
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("message_id", "event_id", "kind", "recipient"),
    CheckConstraint("kind IN ('delivered', 'bounced', 'complained', 'delayed', 'rejected')", name="kind"),
)

# Suppressed addresses: a user's agents do not write to them.
suppressions: Final = Table(
    "suppressions",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("address", Text, primary_key=True),  # store.names.normalise_address
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Column("message_id", Text),  # what it followed from; no key, for that goes first
    Column("created_at", UtcDateTime, nullable=False),
    CheckConstraint("reason IN ('bounced', 'complained')", name="reason"),
)

# The recipients that an agent has written to, and since when: new ones are counted.
known_recipients: Final = Table(
    "known_recipients",
    metadata,
    Column("agent", ForeignKey("agents.address", ondelete="CASCADE"), primary_key=True),
    Column("address", Text, primary_key=True),  # store.names.normalise_address
    Column("first_at", UtcDateTime, nullable=False),
)
Index("known_recipients_new", known_recipients.c.agent, known_recipients.c.first_at)

# Letters of the relay to users, composed when they are sent: no link is stored.
notifications: Final = Table(
    "notifications",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE"), index=True),
    Column("revision", Integer),  # of the message, that the letter shows
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", UtcDateTime, nullable=False),  # a claim moves it to the end of its lease
    Column("created_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    Column("error", Text),
    # Hex SHA-256, set when the letter is handed over: of the nonce of its sender address, and of its link.
    Column("nonce_hash", Text, index=True),
    Column("link_hash", Text, index=True),
    Column("bounced_at", UtcDateTime, index=True),  # when it, or its link, came back by mail
    Column("bounce", Text),  # what the returned mail said
    CheckConstraint("kind IN ('review', 'sign_in')", name="kind"),
    CheckConstraint("kind <> 'review' OR (message_id IS NOT NULL AND revision IS NOT NULL)", name="about"),
    CheckConstraint("status IN ('pending', 'sent', 'failed')", name="status"),
    CheckConstraint("attempts >= 0", name="attempts"),
)
Index("notifications_by_user", notifications.c.user_id, notifications.c.created_at)
Index("notifications_due", notifications.c.due_at, sqlite_where=WAITING, postgresql_where=WAITING)

# One-time links: the hash of each used one, until its expiry.
used_links: Final = Table(
    "used_links",
    metadata,
    Column("hash", Text, primary_key=True),  # hex SHA-256
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    CheckConstraint("length(hash) = 64", name="hash"),
)

# Switches set by the operator; without a row the switch is off.
switches: Final = Table(
    "switches",
    metadata,
    Column("name", Text, primary_key=True),
    Column("reason", Text, nullable=False, server_default=""),
    Column("at", UtcDateTime, nullable=False),
    CheckConstraint("name IN ('sending_paused')", name="name"),
)
