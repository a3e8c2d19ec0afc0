"""Every table, declared once for both databases; `alembic/` brings a database to this shape.

Closed sets and ranges are CHECKs, belonging is a foreign key: the database is the last guard,
not the first. Times are UTC. Texts that a stranger wrote are bounded before they come here.
"""

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
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from store.types import Json, UtcDateTime

metadata: Final = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)

# Conditions of partial indexes. Queries say them in these very words: a bound parameter in their
# place would keep SQLite from seeing that the index answers.
UNREAD: Final = text("direction = 'inbound' AND status = 'unread'")
QUEUED: Final = text("queued")
PENDING: Final = text("status = 'pending'")

# SQLite counts rows by itself only in a column called INTEGER PRIMARY KEY.
_Counter: Final = BigInteger().with_variant(Integer(), "sqlite")

users: Final = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False, unique=True),  # lower-case
    Column("name", Text, nullable=False, server_default=""),
    Column("subject", Text, nullable=False, unique=True),  # of OIDC, or "local:" and the id
    Column("created_at", UtcDateTime, nullable=False),
)

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False, server_default=""),
    Column("key_hash", Text, nullable=False, unique=True),  # hex SHA-256 of the plaintext
    Column("prefix", Text, nullable=False),  # the plaintext's first 12 characters
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime),
)

domains: Final = Table(
    "domains",
    metadata,
    Column("name", Text, primary_key=True),
    # Who proved it. Until then claims stand side by side in domain_claims and nobody owns it.
    Column("user_id", ForeignKey("users.id", ondelete="SET NULL"), index=True),
    Column("verified_at", UtcDateTime),
    Column("is_shared", Boolean, nullable=False, server_default=false()),
    Column("created_at", UtcDateTime, nullable=False),
    CheckConstraint("NOT is_shared OR (user_id IS NULL AND verified_at IS NOT NULL)", name="shared"),
)

domain_claims: Final = Table(
    "domain_claims",
    metadata,
    Column("domain", ForeignKey("domains.name", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("token", Text, nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
)

agents: Final = Table(
    "agents",
    metadata,
    Column("address", Text, primary_key=True),  # store.names.normalise_address; "postmaster" is the operator's
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("domain", ForeignKey("domains.name", ondelete="RESTRICT"), index=True),
    Column("name", Text, nullable=False, server_default=""),
    Column("mode", Text, nullable=False),
    Column("webhook_url", Text),
    Column("webhook_off_at", UtcDateTime),  # when the endpoint answered 410
    Column("events", Json, nullable=False),
    Column("on_unverified", Text, nullable=False, server_default="deliver"),
    Column("hitl_enabled", Boolean, nullable=False, server_default=false()),
    Column("hitl_ttl_seconds", Integer, nullable=False, server_default="86400"),
    Column("hitl_expiration_action", Text, nullable=False, server_default="reject"),
    Column("is_postmaster", Boolean, nullable=False, server_default=false()),
    # Counted up inside the transaction that keeps a message: the row's lock makes order of
    # sequence the order of commit, so a reader's cursor can never pass one that commits late.
    Column("last_seq", BigInteger, nullable=False, server_default="0"),
    Column("created_at", UtcDateTime, nullable=False),
    CheckConstraint("mode IN ('webhook', 'poll')", name="mode"),
    CheckConstraint("mode <> 'webhook' OR webhook_url IS NOT NULL", name="webhook_url"),
    CheckConstraint("on_unverified IN ('deliver', 'reject')", name="on_unverified"),
    CheckConstraint("hitl_ttl_seconds BETWEEN 1 AND 604800", name="hitl_ttl"),
    CheckConstraint("hitl_expiration_action IN ('approve', 'reject')", name="hitl_action"),
    CheckConstraint("address = 'postmaster' OR (user_id IS NOT NULL AND domain IS NOT NULL)", name="owner"),
)

agent_secrets: Final = Table(
    "agent_secrets",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("agent", ForeignKey("agents.address", ondelete="CASCADE"), nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),  # encrypted under the relay's master key
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),  # NULL while it is the one that signs
)

bodies: Final = Table(
    "bodies",
    metadata,
    Column("sha256", Text, primary_key=True),  # hex, of all the bytes
    Column("size", BigInteger, nullable=False),
    # Short mails whole; of a long one nothing, its bytes are in body_chunks.
    Column("content", LargeBinary),
    Column("created_at", UtcDateTime, nullable=False),
    CheckConstraint("size >= 0", name="size"),
)

body_chunks: Final = Table(
    "body_chunks",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    # No foreign key: a long mail's chunks are written ahead, bodies' row makes them real.
    Column("created_at", UtcDateTime, nullable=False),
)

messages: Final = Table(
    "messages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("agent", ForeignKey("agents.address", ondelete="CASCADE"), nullable=False),
    Column("seq", BigInteger, nullable=False),  # of the agent, in order of commit
    Column("direction", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("conversation_id", Text),
    Column("recipient", Text, nullable=False),  # as RCPT TO had it
    Column("tag", Text),
    Column("mail_from", Text, nullable=False, server_default=""),  # "" is the null path
    Column("remote_ip", Text),
    Column("helo", Text),
    Column("tls", Text),
    Column("from_name", Text, nullable=False, server_default=""),
    Column("from_address", Text, nullable=False, server_default=""),
    Column("subject", Text, nullable=False, server_default=""),
    Column("email_message_id", Text),  # without angle brackets
    Column("automated", Boolean, nullable=False, server_default=false()),
    Column("verified", Boolean, nullable=False, server_default=false()),
    Column("verified_domain", Text),
    Column("authentication", Json),
    Column("auth_headers", Json),
    Column("raw_sha256", ForeignKey("bodies.sha256", ondelete="RESTRICT"), index=True),
    Column("raw_size", BigInteger, nullable=False, server_default="0"),
    Column("received_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    # The queue: waiting to be leased; once leased only an ack takes it out.
    Column("queued", Boolean, nullable=False, server_default=false()),
    Column("leases", Integer, nullable=False, server_default="0"),
    Column("lease_token", Text),
    Column("visible_at", UtcDateTime, nullable=False),
    UniqueConstraint("agent", "seq"),
    CheckConstraint("direction IN ('inbound', 'outbound')", name="direction"),
    CheckConstraint("direction <> 'inbound' OR status IN ('unread', 'read')", name="inbound_status"),
    CheckConstraint("leases >= 0", name="leases"),
)
Index(
    "messages_unread",
    messages.c.agent,
    messages.c.seq,
    sqlite_where=UNREAD,
    postgresql_where=UNREAD,
)
Index(
    "messages_queue",
    messages.c.agent,
    messages.c.seq,
    sqlite_where=QUEUED,
    postgresql_where=QUEUED,
)
Index("messages_thread", messages.c.agent, messages.c.email_message_id, messages.c.seq)

deliveries: Final = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("event_id", Text, nullable=False, unique=True),
    Column("event_type", Text, nullable=False),
    Column("agent", ForeignKey("agents.address", ondelete="CASCADE"), nullable=False),
    Column("message_id", ForeignKey("messages.id", ondelete="CASCADE"), index=True),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),  # recorded ones, since the last replay
    # A claim moves due_at to the end of its lease and counts claims up: a worker that dies
    # loses nothing, and one that comes back late finds that its claim is not the last.
    Column("claims", Integer, nullable=False, server_default="0"),
    Column("due_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    Column("last_status", Integer),
    Column("last_error", Text),
    CheckConstraint("status IN ('pending', 'delivered', 'dead')", name="status"),
    CheckConstraint("attempts >= 0", name="attempts"),
)
Index(
    "deliveries_due",
    deliveries.c.agent,
    deliveries.c.due_at,
    sqlite_where=PENDING,
    postgresql_where=PENDING,
)
Index("deliveries_by_agent", deliveries.c.agent, deliveries.c.id)

delivery_attempts: Final = Table(
    "delivery_attempts",
    metadata,
    Column("number", _Counter, primary_key=True, autoincrement=True),
    Column("delivery_id", ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("status", Integer),  # of HTTP; NULL where no answer came
    Column("error", Text),
)
