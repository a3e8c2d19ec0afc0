"""Databases that stop working while a test looks on, and what is left in them."""

from sqlalchemy import func, select, text

from store.engine import Store
from store.schema.inbound import bodies, body_chunks, deliveries, messages
from store.transaction import Tx

LOST = "lost_"  # what the name of a table begins with while nobody finds it


def lose_table(store: Store, table: str) -> None:
    """Take *table* away, so that whoever needs it finds a database that cannot answer."""
    _rename(store, table, f"{LOST}{table}")


def give_back_table(store: Store, table: str) -> None:
    """Give a table back that was lost."""
    _rename(store, f"{LOST}{table}", table)


def _rename(store: Store, table: str, to: str) -> None:
    with store.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {to}"))


def kept(tx: Tx) -> dict[str, int]:
    """How many rows a mail has left in each table that it could have left some in."""
    tables = (messages, bodies, body_chunks, deliveries)
    return {table.name: tx.execute(select(func.count()).select_from(table)).scalar_one() for table in tables}
