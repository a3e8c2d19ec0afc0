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
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

import store.schema.digests
import store.schema.facts
import store.schema.outbound
import store.schema.threads  # noqa: F401 (their tables belong to the same metadata)
from store.schema.base import metadata
from store.types import Json, UtcDateTime

# Conditions of partial indexes. Queries say them in these very words: a bound parameter in their
# place would keep SQLite from seeing that the index answers.
INBOUND: Final = text("direction = 'inbound'")
UNREAD: Final = text("direction = 'inbound' AND status = 'unread'")
QUEUED: Final = text("queued")
READ: Final = text("direction = 'inbound' AND status = 'read'")
PENDING: Final = text("status = 'pending'")
DEAD: Final = text("status = 'dead'")
HELD: Final = text("status = 'pending_approval'")
SENDING: Final = text("status = 'sending'")
TO_SEND: Final = text("direction = 'outbound' AND status = 'queued'")
WRITTEN: Final = text("direction = 'outbound'")
TO_CHECK: Final = text("next_check_at IS NOT NULL")

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
    Column("updated_at", UtcDateTime),  # when OIDC last told another name or email
    # Counted up by each sign-in by link, and by signing out everywhere: links of an earlier epoch are void.
    Column("sign_in_epoch", Integer, nullable=False, server_default="0"),
    CheckConstraint("length(email) BETWEEN 3 AND 320", name="email"),
    CheckConstraint("length(name) <= 320", name="name"),
)

user_sessions: Final = Table(
    "user_sessions",
    metadata,
    Column("token_hash", Text, primary_key=True),  # hex SHA-256 of the token, which is nowhere else
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    CheckConstraint("length(token_hash) = 64", name="token_hash"),
    CheckConstraint("expires_at > created_at", name="expires_at"),
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
    # For this agent alone; NULL is for all of the user's. A restricted key goes with its agent.
    Column("agent", ForeignKey("agents.address", ondelete="CASCADE"), index=True),
    Column("scopes", Text, nullable=False, server_default="read,send,admin"),
    CheckConstraint("length(name) <= 200", name="name"),
    CheckConstraint(
        "scopes IN ('read', 'work', 'send', 'admin', 'read,work', 'read,send', 'read,admin', 'work,send', 'work,admin',"
        " 'send,admin', 'read,work,send', 'read,work,admin', 'read,send,admin', 'work,send,admin',"
        " 'read,work,send,admin')",
        name="scopes",
    ),
)

idempotency_keys: Final = Table(
    "idempotency_keys",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),  # as the client chose it
    Column("request_hash", Text, nullable=False),  # hex SHA-256 of what was asked for
    Column("status", Integer),  # of the answer; NULL while the first request is under way
    Column("answer", Text),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    CheckConstraint("length(key) BETWEEN 1 AND 255", name="key"),
    CheckConstraint("length(request_hash) = 64", name="request_hash"),
    CheckConstraint("status BETWEEN 200 AND 599", name="status"),
)

domains: Final = Table(
    "domains",
    metadata,
    Column("name", Text, primary_key=True),
    # Its owner, who verified it. Until then domain_claims holds each claim, and the domain has no owner.
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
    Column("next_check_at", UtcDateTime),  # when its DNS is looked at again by itself; NULL: never
)
Index(
    "domain_claims_to_check",
    domain_claims.c.next_check_at,
    sqlite_where=TO_CHECK,
    postgresql_where=TO_CHECK,
)

# How what a claimant was asked to publish was last seen in DNS; see store/records/domains.py.
domain_records: Final = Table(
    "domain_records",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("domain", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("found", Json, nullable=False),
    Column("checked_at", UtcDateTime, nullable=False),
    Column("verified_at", UtcDateTime),
    Column("missing_since", UtcDateTime),
    ForeignKeyConstraint(["domain", "user_id"], ["domain_claims.domain", "domain_claims.user_id"], ondelete="CASCADE"),
    CheckConstraint("purpose IN ('ownership', 'receiving', 'spf', 'dkim', 'dmarc')", name="purpose"),
    CheckConstraint("status IN ('pending', 'verified', 'mismatch', 'missing', 'unknown')", name="status"),
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
    Column("last_awaited", BigInteger, nullable=False, server_default="0"),  # see store/mail/awaited.py
    Column("answer_lists", Boolean, nullable=False, server_default=false()),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime),  # when its owner last changed it
    CheckConstraint("length(name) <= 200", name="name"),
    CheckConstraint("last_seq >= 0", name="last_seq"),
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
    Column("number", Integer, primary_key=True),  # from 0
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
    Column("visible_at", UtcDateTime, nullable=False),  # when it is next leased, or tried to be sent
    Column("provider_message_id", Text),  # of what a provider sent, for us or to us: its id without its domain
    # Of an outbound one. store/outbound/lifecycle.py tells the moves from status to status.
    Column("hold_expires_at", UtcDateTime),  # when the hold expires
    Column("send_attempt", Text),  # the id of the last attempt: settling an older one changes no row
    Column("send_until", UtcDateTime),  # the end of that attempt's lease
    # Of an inbound one: the outbound message that it is proven to report about. No key: that one goes first.
    Column("report_of", Text),
    UniqueConstraint("agent", "seq"),
    CheckConstraint("direction IN ('inbound', 'outbound')", name="direction"),
    CheckConstraint("direction <> 'inbound' OR status IN ('unread', 'read')", name="inbound_status"),
    CheckConstraint(
        "direction <> 'outbound' OR status IN ('queued', 'pending_approval', 'sending', 'sent', 'failed',"
        " 'unconfirmed', 'rejected', 'expired_approved', 'expired_rejected')",
        name="outbound_status",
    ),
    CheckConstraint("status <> 'pending_approval' OR hold_expires_at IS NOT NULL", name="held"),
    CheckConstraint("status <> 'sending' OR (send_attempt IS NOT NULL AND send_until IS NOT NULL)", name="sending"),
    CheckConstraint("leases >= 0", name="leases"),
    CheckConstraint("raw_size >= 0", name="raw_size"),
    CheckConstraint("seq > 0", name="seq"),
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
Index("messages_read", messages.c.agent, messages.c.seq, sqlite_where=READ, postgresql_where=READ)
Index("messages_thread", messages.c.agent, messages.c.email_message_id, messages.c.seq)
Index("messages_conversation", messages.c.agent, messages.c.conversation_id, messages.c.seq)
_PROVIDED: Final = text("provider_message_id IS NOT NULL")
Index(
    "messages_provider_thread",
    messages.c.agent,
    messages.c.provider_message_id,
    messages.c.seq,
    sqlite_where=_PROVIDED,
    postgresql_where=_PROVIDED,
)
Index("messages_held", messages.c.hold_expires_at, sqlite_where=HELD, postgresql_where=HELD)
Index(
    "messages_held_of_agent",
    messages.c.agent,
    messages.c.hold_expires_at,
    messages.c.id,
    messages.c.expires_at,
    sqlite_where=HELD,
    postgresql_where=HELD,
)
Index("messages_received", messages.c.agent, messages.c.received_at, messages.c.seq)
Index("messages_to_send", messages.c.visible_at, sqlite_where=TO_SEND, postgresql_where=TO_SEND)
Index(
    "messages_written",
    messages.c.agent,
    messages.c.received_at,
    sqlite_where=WRITTEN,
    postgresql_where=WRITTEN,
)
Index("messages_written_of_all", messages.c.id, sqlite_where=WRITTEN, postgresql_where=WRITTEN)
Index("messages_sending", messages.c.send_until, sqlite_where=SENDING, postgresql_where=SENDING)

deliveries: Final = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("event_id", Text, nullable=False, unique=True),
    Column("event_type", Text, nullable=False),  # any: relay/events/types.py lists those that exist
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
    Column("details", Json),  # what the event says besides the message: a bounce's words, who decided
    CheckConstraint("status IN ('pending', 'delivered', 'dead')", name="status"),
    CheckConstraint("attempts >= 0", name="attempts"),
    CheckConstraint("claims >= 0", name="claims"),
    CheckConstraint("last_status BETWEEN 100 AND 599", name="last_status"),
)
Index(
    "deliveries_due",
    deliveries.c.agent,
    deliveries.c.due_at,
    sqlite_where=PENDING,
    postgresql_where=PENDING,
)
Index("deliveries_by_agent", deliveries.c.agent, deliveries.c.id)
Index("deliveries_dead", deliveries.c.agent, deliveries.c.id, sqlite_where=DEAD, postgresql_where=DEAD)
Index("deliveries_dead_of_all", deliveries.c.id, sqlite_where=DEAD, postgresql_where=DEAD)
Index("deliveries_pending", deliveries.c.agent, deliveries.c.id, sqlite_where=PENDING, postgresql_where=PENDING)
Index("deliveries_pending_of_all", deliveries.c.id, sqlite_where=PENDING, postgresql_where=PENDING)

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

# What users are counted by. Neither has a foreign key to agents or messages: both go, and the count stays.
usage_events: Final = Table(
    "usage_events",
    metadata,
    Column("number", _Counter, primary_key=True, autoincrement=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    CheckConstraint("kind IN ('received', 'sent', 'failed', 'bounced', 'complained')", name="kind"),
    CheckConstraint("bytes >= 0", name="bytes"),
)
Index("usage_events_by_user", usage_events.c.user_id, usage_events.c.number)

usage_days: Final = Table(
    "usage_days",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("day", Date, primary_key=True),  # of UTC
    Column("kind", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    CheckConstraint("kind IN ('received', 'sent', 'failed', 'bounced', 'complained')", name="kind"),
    CheckConstraint("count >= 0 AND bytes >= 0", name="counts"),
)
