"""Bounds against hostile use: facts of the store itself, such as which master key it belongs to

Runs on SQLite and PostgreSQL, while the release before may still be running: add, never rename or
drop what that one reads. A long lock on a large table belongs in a job, not here.

Revision: 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
# As revision 0002 wrote them, and with the scope "work".
SCOPES = "'read', 'send', 'admin', 'read,send', 'read,admin', 'send,admin', 'read,send,admin'"
SCOPES_WITH_WORK = (
    "'read', 'work', 'send', 'admin', 'read,work', 'read,send', 'read,admin', 'work,send', 'work,admin',"
    " 'send,admin', 'read,work,send', 'read,work,admin', 'read,send,admin', 'work,send,admin', 'read,work,send,admin'"
)


def upgrade() -> None:
    make_store_facts()
    widen_scopes()
    remember_letters()
    make_received_digests()


def make_store_facts() -> None:
    op.create_table(
        "store_facts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("store_facts_pkey")),
    )


def widen_scopes() -> None:
    """Add the scope ``work``: keys that could read could lease and mark too, and keep that."""
    change_check("api_keys", "scopes", f"scopes IN ({SCOPES})", f"scopes IN ({SCOPES_WITH_WORK})")
    op.execute("UPDATE api_keys SET scopes = replace(scopes, 'read', 'read,work') WHERE scopes LIKE 'read%'")


def remember_letters() -> None:
    """Columns that find a letter by its sender address or its link, and record that it came back."""
    op.add_column("users", sa.Column("sign_in_epoch", sa.Integer(), server_default="0", nullable=False))
    op.add_column("notifications", sa.Column("nonce_hash", sa.Text()))
    op.add_column("notifications", sa.Column("link_hash", sa.Text()))
    op.add_column("notifications", sa.Column("bounced_at", TIME))
    op.add_column("notifications", sa.Column("bounce", sa.Text()))
    for column in ("nonce_hash", "link_hash", "bounced_at"):
        op.create_index(f"notifications_{column}", "notifications", [column])


def make_received_digests() -> None:
    """Mails of the last 24 hours, to store one that comes again once (RFC 1047)."""
    op.create_table(
        "received_digests",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("received_digests_message_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("received_digests_pkey")),
    )
    for column in ("message_id", "received_at"):
        op.create_index(f"received_digests_{column}", "received_digests", [column])


def change_check(table: str, name: str, before: str, after: str) -> None:
    """Replace the condition of the CHECK *name* of *table* by one that each row fulfils, without copying the table.

    On SQLite by the steps that revision 0005 describes.
    """
    constraint = f"{table}_{name}_check"
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        op.drop_constraint(op.f(constraint), table, type_="check")
        op.create_check_constraint(op.f(constraint), table, after)
        return
    found = str(connection.scalar(sa.text("SELECT sql FROM sqlite_master WHERE name = :table"), {"table": table}))
    changed = found.replace(f"CONSTRAINT {constraint} CHECK ({before})", f"CONSTRAINT {constraint} CHECK ({after})")
    if after not in changed:
        raise sa.exc.InvalidRequestError(f"cannot change {constraint}: the table was changed by hand: {found}")
    version = connection.scalar(sa.text("PRAGMA schema_version"))
    connection.exec_driver_sql("PRAGMA writable_schema=ON")
    connection.execute(
        sa.text("UPDATE sqlite_master SET sql = :sql WHERE name = :table"), {"sql": changed, "table": table}
    )
    connection.exec_driver_sql(f"PRAGMA schema_version={version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema=RESET")  # off, and this connection reads the schema again
