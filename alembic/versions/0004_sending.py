"""Sending: digests of what goes out, feedback, suppressions, letters to people, and what caps count

Runs on SQLite and PostgreSQL, while the release before may still be running: add, never rename or
drop what that one reads. A long lock on a large table belongs in a job, not here.

Revision: 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import CreateColumn

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    add_column("outbound", sa.Column("digest", sa.Text()), digest="digest IS NULL OR length(digest) = 64")
    op.add_column("outbound", sa.Column("answered", sa.Text()))
    op.add_column("outbound", sa.Column("names", sa.Text(), server_default="[]", nullable=False))
    reasons = "hold_reason IN ('owner', 'sends', 'replies', 'recipients')"
    add_column("outbound", sa.Column("hold_reason", sa.Text()), hold_reason=reasons)
    index("messages_to_send", "messages", ["visible_at"], "direction = 'outbound' AND status = 'queued'")
    index("messages_written", "messages", ["agent", "received_at"], "direction = 'outbound'")
    index("messages_written_of_all", "messages", ["id"], "direction = 'outbound'")
    make_feedback()
    make_recipients()
    make_notifications()
    make_switches()


def add_column(table: str, column: sa.Column, /, **checks: str) -> None:
    """Add *column* and with it *checks* of the table, named for it: on SQLite a CHECK comes only with a column."""
    if op.get_bind().dialect.name != "sqlite":
        op.add_column(table, column)
        for name, condition in checks.items():
            op.create_check_constraint(op.f(f"{table}_{name}_check"), table, condition)
        return
    words = [str(CreateColumn(column).compile(dialect=op.get_bind().dialect))]
    words += [f"CONSTRAINT {table}_{name}_check CHECK ({condition})" for name, condition in checks.items()]
    op.execute(f"ALTER TABLE {table} ADD COLUMN {' '.join(words)}")


def index(name: str, table: str, columns: list[str], where: str | None = None) -> None:
    """An index, of the rows that *where* holds for."""
    condition = sa.text(where) if where else None
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)


def make_feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("number", COUNTER, autoincrement=True, nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("is_permanent", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.CheckConstraint(
            "kind IN ('delivered', 'bounced', 'complained', 'delayed', 'rejected')", name=op.f("feedback_kind_check")
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("feedback_message_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("feedback_pkey")),
        sa.UniqueConstraint(
            "message_id", "event_id", "kind", "recipient", name=op.f("feedback_message_id_event_id_kind_recipient_key")
        ),
    )


def make_recipients() -> None:
    op.create_table(
        "suppressions",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("message_id", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("reason IN ('bounced', 'complained')", name=op.f("suppressions_reason_check")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("suppressions_user_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "address", name=op.f("suppressions_pkey")),
    )
    op.create_table(
        "known_recipients",
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["agent"], ["agents.address"], name=op.f("known_recipients_agent_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("agent", "address", name=op.f("known_recipients_pkey")),
    )
    index("known_recipients_new", "known_recipients", ["agent", "first_at"])


def make_notifications() -> None:
    about = "kind <> 'review' OR (message_id IS NOT NULL AND revision IS NOT NULL)"
    op.create_table(
        "notifications",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text()),
        sa.Column("revision", sa.Integer()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("settled_at", TIME),
        sa.Column("error", sa.Text()),
        sa.CheckConstraint("kind IN ('review', 'sign_in')", name=op.f("notifications_kind_check")),
        sa.CheckConstraint(about, name=op.f("notifications_about_check")),
        sa.CheckConstraint("status IN ('pending', 'sent', 'failed')", name=op.f("notifications_status_check")),
        sa.CheckConstraint("attempts >= 0", name=op.f("notifications_attempts_check")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("notifications_user_id_fkey"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("notifications_message_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("notifications_pkey")),
    )
    index("notifications_by_user", "notifications", ["user_id", "created_at"])
    index("notifications_message_id", "notifications", ["message_id"])
    index("notifications_due", "notifications", ["due_at"], "status = 'pending'")


def make_switches() -> None:
    op.create_table(
        "used_links",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.CheckConstraint("length(hash) = 64", name=op.f("used_links_hash_check")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("used_links_user_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("hash", name=op.f("used_links_pkey")),
    )
    index("used_links_user_id", "used_links", ["user_id"])
    index("used_links_expires_at", "used_links", ["expires_at"])
    op.create_table(
        "switches",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.CheckConstraint("name IN ('sending_paused')", name=op.f("switches_name_check")),
        sa.PrimaryKeyConstraint("name", name=op.f("switches_pkey")),
    )
