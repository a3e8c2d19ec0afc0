"""Message-IDs that conversations wait for, and agents that may answer mailing lists

Runs on SQLite and PostgreSQL, while the release before may still be running: add, never rename or
drop what that one reads. A long lock on a large table belongs in a job, not here. A column with a
constant default is added without a copy of the table.

Revision: 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agents", sa.Column("last_awaited", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("agents", sa.Column("answer_lists", sa.Boolean(), server_default=sa.false(), nullable=False))
    make_awaited_ids()


def make_awaited_ids() -> None:
    op.create_table(
        "awaited_ids",
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("awaited", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("agent", "awaited", name=op.f("awaited_ids_pkey")),
        sa.ForeignKeyConstraint(["agent"], ["agents.address"], name=op.f("awaited_ids_agent_fkey"), ondelete="CASCADE"),
    )
    op.create_index("awaited_ids_conversation", "awaited_ids", ["agent", "conversation_id"])
    op.create_index("awaited_ids_number", "awaited_ids", ["agent", "number"])
    op.create_index(op.f("awaited_ids_expires_at"), "awaited_ids", ["expires_at"])
