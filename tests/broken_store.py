"""Databases that stop working while a test looks on, and what is left in them."""

from sqlalchemy import func, select, text

from store.engine import Store
from store.schema import bodies, body_chunks, deliveries, messages
from store.transaction import Tx


def lose_table(store: Store, table: str) -> None:
    """Take *table* away, so that whoever needs it finds a database that cannot answer."""
    cascade = " CASCADE" if store.engine.dialect.name == "postgresql" else ""
    with store.engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {table}{cascade}"))


def kept(tx: Tx) -> dict[str, int]:
    """How many rows a mail has left in each table that it could have left some in."""
    tables = (messages, bodies, body_chunks, deliveries)
    return {table.name: tx.execute(select(func.count()).select_from(table)).scalar_one() for table in tables}
