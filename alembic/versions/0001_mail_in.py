"""The way in: users, domains, agents, messages, bytes, deliveries

Runs on SQLite and PostgreSQL, while the release before may still be running: add, never rename or
drop what that one reads. A long lock on a large table belongs in a job, not here.

Revision: 0001, after None.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bodies",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("size >= 0", name=op.f("bodies_size_check")),
        sa.PrimaryKeyConstraint("sha256", name="bodies_pkey"),
    )
    op.create_table(
        "body_chunks",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "number", name="body_chunks_pkey"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="users_pkey"),
        sa.UniqueConstraint("email", name="users_email_key"),
        sa.UniqueConstraint("subject", name="users_subject_key"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("key_hash", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="api_keys_user_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="api_keys_pkey"),
        sa.UniqueConstraint("key_hash", name="api_keys_key_hash_key"),
    )
    op.create_index("api_keys_user_id", "api_keys", ["user_id"], unique=False)

    op.create_table(
        "domains",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_shared", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "NOT is_shared OR (user_id IS NULL AND verified_at IS NOT NULL)", name=op.f("domains_shared_check")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="domains_user_id_fkey", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("name", name="domains_pkey"),
    )
    op.create_index("domains_user_id", "domains", ["user_id"], unique=False)

    op.create_table(
        "agents",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("domain", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("webhook_url", sa.Text(), nullable=True),
        sa.Column("webhook_off_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("on_unverified", sa.Text(), server_default="deliver", nullable=False),
        sa.Column("hitl_enabled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("hitl_ttl_seconds", sa.Integer(), server_default="86400", nullable=False),
        sa.Column("hitl_expiration_action", sa.Text(), server_default="reject", nullable=False),
        sa.Column("is_postmaster", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "address = 'postmaster' OR (user_id IS NOT NULL AND domain IS NOT NULL)", name=op.f("agents_owner_check")
        ),
        sa.CheckConstraint("hitl_expiration_action IN ('approve', 'reject')", name=op.f("agents_hitl_action_check")),
        sa.CheckConstraint("mode <> 'webhook' OR webhook_url IS NOT NULL", name=op.f("agents_webhook_url_check")),
        sa.CheckConstraint("mode IN ('webhook', 'poll')", name=op.f("agents_mode_check")),
        sa.CheckConstraint("on_unverified IN ('deliver', 'reject')", name=op.f("agents_on_unverified_check")),
        sa.CheckConstraint("hitl_ttl_seconds BETWEEN 1 AND 604800", name=op.f("agents_hitl_ttl_check")),
        sa.ForeignKeyConstraint(["domain"], ["domains.name"], name="agents_domain_fkey", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="agents_user_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("address", name="agents_pkey"),
    )
    op.create_index("agents_domain", "agents", ["domain"], unique=False)
    op.create_index("agents_user_id", "agents", ["user_id"], unique=False)

    op.create_table(
        "domain_claims",
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["domain"], ["domains.name"], name="domain_claims_domain_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="domain_claims_user_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("domain", "user_id", name="domain_claims_pkey"),
        sa.UniqueConstraint("token", name="domain_claims_token_key"),
    )
    op.create_index("domain_claims_user_id", "domain_claims", ["user_id"], unique=False)

    op.create_table(
        "agent_secrets",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agent"], ["agents.address"], name="agent_secrets_agent_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key_id", name="agent_secrets_pkey"),
    )
    op.create_index("agent_secrets_agent", "agent_secrets", ["agent"], unique=False)

    op.create_table(
        "messages",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.Column("mail_from", sa.Text(), server_default="", nullable=False),
        sa.Column("remote_ip", sa.Text(), nullable=True),
        sa.Column("helo", sa.Text(), nullable=True),
        sa.Column("tls", sa.Text(), nullable=True),
        sa.Column("from_name", sa.Text(), server_default="", nullable=False),
        sa.Column("from_address", sa.Text(), server_default="", nullable=False),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        sa.Column("email_message_id", sa.Text(), nullable=True),
        sa.Column("automated", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("verified", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("verified_domain", sa.Text(), nullable=True),
        sa.Column("authentication", sa.Text(), nullable=True),
        sa.Column("auth_headers", sa.Text(), nullable=True),
        sa.Column("raw_sha256", sa.Text(), nullable=True),
        sa.Column("raw_size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queued", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("leases", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_token", sa.Text(), nullable=True),
        sa.Column("visible_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "direction <> 'inbound' OR status IN ('unread', 'read')", name=op.f("messages_inbound_status_check")
        ),
        sa.CheckConstraint("direction IN ('inbound', 'outbound')", name=op.f("messages_direction_check")),
        sa.CheckConstraint("leases >= 0", name=op.f("messages_leases_check")),
        sa.ForeignKeyConstraint(["agent"], ["agents.address"], name="messages_agent_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["raw_sha256"], ["bodies.sha256"], name="messages_raw_sha256_fkey", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="messages_pkey"),
        sa.UniqueConstraint("agent", "seq", name="messages_agent_seq_key"),
    )
    op.create_index("messages_expires_at", "messages", ["expires_at"], unique=False)
    op.create_index(
        "messages_queue",
        "messages",
        ["agent", "seq"],
        unique=False,
        sqlite_where=sa.text("queued"),
        postgresql_where=sa.text("queued"),
    )
    op.create_index("messages_raw_sha256", "messages", ["raw_sha256"], unique=False)
    op.create_index("messages_thread", "messages", ["agent", "email_message_id", "seq"], unique=False)
    op.create_index(
        "messages_unread",
        "messages",
        ["agent", "seq"],
        unique=False,
        sqlite_where=sa.text("direction = 'inbound' AND status = 'unread'"),
        postgresql_where=sa.text("direction = 'inbound' AND status = 'unread'"),
    )

    op.create_table(
        "deliveries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claims", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint("status IN ('pending', 'delivered', 'dead')", name=op.f("deliveries_status_check")),
        sa.CheckConstraint("attempts >= 0", name=op.f("deliveries_attempts_check")),
        sa.ForeignKeyConstraint(["agent"], ["agents.address"], name="deliveries_agent_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="deliveries_message_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="deliveries_pkey"),
        sa.UniqueConstraint("event_id", name="deliveries_event_id_key"),
    )
    op.create_index("deliveries_by_agent", "deliveries", ["agent", "id"], unique=False)
    op.create_index(
        "deliveries_due",
        "deliveries",
        ["agent", "due_at"],
        unique=False,
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("deliveries_message_id", "deliveries", ["message_id"], unique=False)

    op.create_table(
        "delivery_attempts",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name="delivery_attempts_delivery_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name="delivery_attempts_pkey"),
    )
    op.create_index("delivery_attempts_delivery_id", "delivery_attempts", ["delivery_id"], unique=False)
