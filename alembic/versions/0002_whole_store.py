"""The whole store: sessions, outbound mail and holds, usage, idempotency keys; a CHECK for every closed set

Runs on SQLite and PostgreSQL, while the release before may still be running: add, never rename or
drop what that one reads. A long lock on a large table belongs in a job, not here.

Revision: 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import CreateColumn

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OUTBOUND_STATUSES = (
    "'queued', 'pending_approval', 'sending', 'sent', 'failed',"
    " 'unconfirmed', 'rejected', 'expired_approved', 'expired_rejected'"
)
EVENT_TYPES = (
    "'email.received', 'email.sent', 'email.failed', 'email.pending_approval', 'email.approved',"
    " 'email.rejected', 'email.expired', 'email.delivered', 'email.bounced', 'email.complained'"
)
SCOPES = "'read', 'send', 'admin', 'read,send', 'read,admin', 'send,admin', 'read,send,admin'"
USAGE_KINDS = "'received', 'sent', 'failed', 'bounced', 'complained'"


def upgrade() -> None:
    # One that was made before there was a limit must not stop the start.
    op.execute("UPDATE api_keys SET name = substr(name, 1, 200) WHERE length(name) > 200")
    op.execute("UPDATE agents SET name = substr(name, 1, 200) WHERE length(name) > 200")
    change_people()
    change_messages()
    change_deliveries()
    make_people_tables()
    make_outbound_tables()
    make_usage_tables()


def add_column(table: str, column: sa.Column, /, references: str = "", **checks: str) -> None:
    """Add *column* and with it *checks* of the table, named for it; *references* is ``table.column``.

    SQLite adds a CHECK or a foreign key only together with a column, and then without copying the table;
    on PostgreSQL each is a statement of its own.
    """
    if op.get_bind().dialect.name != "sqlite":
        op.add_column(table, column)
        for name, condition in checks.items():
            op.create_check_constraint(op.f(f"{table}_{name}_check"), table, condition)
        if references:
            target, key = references.split(".")
            op.create_foreign_key(
                f"{table}_{column.name}_fkey", table, target, [column.name], [key], ondelete="CASCADE"
            )
        return
    words = [str(CreateColumn(column).compile(dialect=op.get_bind().dialect))]
    if references:
        target, key = references.split(".")
        words.append(f"CONSTRAINT {table}_{column.name}_fkey REFERENCES {target} ({key}) ON DELETE CASCADE")
    words += [f"CONSTRAINT {table}_{name}_check CHECK ({condition})" for name, condition in checks.items()]
    op.execute(f"ALTER TABLE {table} ADD COLUMN {' '.join(words)}")


def change_people() -> None:
    add_column(
        "users",
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        email="length(email) BETWEEN 3 AND 320",
        name="length(name) <= 320",
    )
    add_column("api_keys", sa.Column("agent", sa.Text()), references="agents.address")
    add_column(
        "api_keys",
        sa.Column("scopes", sa.Text(), server_default="read,send,admin", nullable=False),
        name="length(name) <= 200",
        scopes=f"scopes IN ({SCOPES})",
    )
    op.create_index("api_keys_agent", "api_keys", ["agent"])
    add_column(
        "agents",
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        name="length(name) <= 200",
        last_seq="last_seq >= 0",
    )


def change_messages() -> None:
    add_column(
        "messages",
        sa.Column("provider_message_id", sa.Text()),
        outbound_status=f"direction <> 'outbound' OR status IN ({OUTBOUND_STATUSES})",
        raw_size="raw_size >= 0",
        seq="seq > 0",
    )
    add_column(
        "messages",
        sa.Column("hold_expires_at", sa.DateTime(timezone=True)),
        held="status <> 'pending_approval' OR hold_expires_at IS NOT NULL",
    )
    add_column("messages", sa.Column("send_attempt", sa.Text()))
    add_column(
        "messages",
        sa.Column("send_until", sa.DateTime(timezone=True)),
        sending="status <> 'sending' OR (send_attempt IS NOT NULL AND send_until IS NOT NULL)",
    )
    partial_index("messages_read", "messages", ["agent", "seq"], "direction = 'inbound' AND status = 'read'")
    op.create_index("messages_conversation", "messages", ["agent", "conversation_id", "seq"])
    partial_index(
        "messages_provider_thread",
        "messages",
        ["agent", "provider_message_id", "seq"],
        "provider_message_id IS NOT NULL",
    )
    partial_index("messages_held", "messages", ["hold_expires_at"], "status = 'pending_approval'")
    partial_index(
        "messages_held_of_agent",
        "messages",
        ["agent", "hold_expires_at", "id", "expires_at"],
        "status = 'pending_approval'",
    )
    op.create_index("messages_received", "messages", ["agent", "received_at", "seq"])
    partial_index("messages_sending", "messages", ["send_until"], "status = 'sending'")


def change_deliveries() -> None:
    add_column(
        "deliveries",
        sa.Column("details", sa.Text()),
        claims="claims >= 0",
        last_status="last_status BETWEEN 100 AND 599",
        event_type=f"event_type IN ({EVENT_TYPES})",
    )
    for status in ("dead", "pending"):
        partial_index(f"deliveries_{status}", "deliveries", ["agent", "id"], f"status = '{status}'")
        partial_index(f"deliveries_{status}_of_all", "deliveries", ["id"], f"status = '{status}'")


def partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    op.create_index(
        name, table, columns, unique=False, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition)
    )


def make_people_tables() -> None:
    op.create_table(
        "user_sessions",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(token_hash) = 64", name=op.f("user_sessions_token_hash_check")),
        sa.CheckConstraint("expires_at > created_at", name=op.f("user_sessions_expires_at_check")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="user_sessions_user_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash", name="user_sessions_pkey"),
    )
    op.create_index("user_sessions_user_id", "user_sessions", ["user_id"])
    op.create_index("user_sessions_expires_at", "user_sessions", ["expires_at"])
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 255", name=op.f("idempotency_keys_key_check")),
        sa.CheckConstraint("length(request_hash) = 64", name=op.f("idempotency_keys_request_hash_check")),
        sa.CheckConstraint("status BETWEEN 200 AND 599", name=op.f("idempotency_keys_status_check")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="idempotency_keys_user_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "key", name="idempotency_keys_pkey"),
    )
    op.create_index("idempotency_keys_created_at", "idempotency_keys", ["created_at"])


def make_outbound_tables() -> None:
    op.create_table(
        "outbound",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("to", sa.Text(), nullable=False),
        sa.Column("cc", sa.Text(), nullable=False),
        sa.Column("bcc", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("html", sa.Text(), nullable=True),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("reviewed_by", sa.Text(), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("scrubbed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('send', 'reply', 'forward')", name=op.f("outbound_kind_check")),
        sa.CheckConstraint("revision > 0", name=op.f("outbound_revision_check")),
        sa.CheckConstraint(
            "scrubbed_at IS NULL OR (text IS NULL AND html IS NULL)", name=op.f("outbound_scrubbed_check")
        ),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="outbound_message_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["reviewed_by"], ["users.id"], name="outbound_reviewed_by_fkey", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("message_id", name="outbound_pkey"),
    )
    op.create_index("outbound_reviewed_by", "outbound", ["reviewed_by"])
    op.create_table(
        "outbound_attachments",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("number >= 0", name=op.f("outbound_attachments_number_check")),
        sa.CheckConstraint("size >= 0", name=op.f("outbound_attachments_size_check")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["outbound.message_id"], name="outbound_attachments_message_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", "number", name="outbound_attachments_pkey"),
    )
    op.create_table(
        "send_attempts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provider_message_id", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("origin IN ('queue', 'approval', 'expiry')", name=op.f("send_attempts_origin_check")),
        sa.CheckConstraint(
            "outcome IN ('sending', 'sent', 'failed', 'unconfirmed')", name=op.f("send_attempts_outcome_check")
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name="send_attempts_message_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="send_attempts_pkey"),
    )
    op.create_index("send_attempts_message_id", "send_attempts", ["message_id"])


def make_usage_tables() -> None:
    op.create_table(
        "usage_events",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(f"kind IN ({USAGE_KINDS})", name=op.f("usage_events_kind_check")),
        sa.CheckConstraint("bytes >= 0", name=op.f("usage_events_bytes_check")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="usage_events_user_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name="usage_events_pkey"),
    )
    op.create_index("usage_events_by_user", "usage_events", ["user_id", "number"])
    op.create_table(
        "usage_days",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(f"kind IN ({USAGE_KINDS})", name=op.f("usage_days_kind_check")),
        sa.CheckConstraint("count >= 0 AND bytes >= 0", name=op.f("usage_days_counts_check")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="usage_days_user_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "day", "kind", name="usage_days_pkey"),
    )
