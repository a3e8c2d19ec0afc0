"""How the records of domains are seen in DNS, and when they are looked at again

Runs on SQLite and PostgreSQL, while the release before may still be running: add, never rename or
drop what that one reads. A long lock on a large table belongs in a job, not here.

Revision: 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PURPOSES = "'ownership', 'receiving', 'spf', 'dkim', 'dmarc'"
STATUSES = "'pending', 'verified', 'mismatch', 'missing', 'unknown'"


def upgrade() -> None:
    op.add_column("domain_claims", sa.Column("next_check_at", sa.DateTime(timezone=True)))
    # Earlier claims are due at once: their records have not been checked yet.
    op.execute("UPDATE domain_claims SET next_check_at = created_at")
    due = sa.text("next_check_at IS NOT NULL")
    op.create_index(
        "domain_claims_to_check", "domain_claims", ["next_check_at"], sqlite_where=due, postgresql_where=due
    )
    op.create_table(
        "domain_records",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True)),
        sa.Column("missing_since", sa.DateTime(timezone=True)),
        sa.CheckConstraint(f"purpose IN ({PURPOSES})", name=op.f("domain_records_purpose_check")),
        sa.CheckConstraint(f"status IN ({STATUSES})", name=op.f("domain_records_status_check")),
        sa.ForeignKeyConstraint(
            ["domain", "user_id"],
            ["domain_claims.domain", "domain_claims.user_id"],
            name="domain_records_domain_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "domain", "purpose", name="domain_records_pkey"),
    )
