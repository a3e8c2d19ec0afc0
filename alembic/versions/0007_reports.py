"""Inbound messages record the outbound message that they are proven to report about

Runs on SQLite and PostgreSQL, while the release before may still be running: add, never rename or
drop what that one reads. A long lock on a large table belongs in a job, not here. A column without
a default is added without a copy of the table.

Revision: 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("report_of", sa.Text()))
