"""Facts of the store as a whole, such as the check value of its master key."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, case, delete, insert, select, update

from store.schema.facts import store_facts
from store.transaction import Tx

MASTER_CHECK: Final = "master_check"  # HMAC of a fixed text under the master key (relay/signing/master_check.py)
HOSTED: Final = "hosted"  # since when a domain is verified here; store/directory/hosted.py
LAST_BACKUP: Final = "last_backup"  # when `mailseal backup` last copied the store
PROBE: Final = "probe"  # a value that changes whenever the relay tests whether it can write
_PROBE: Final = (
    update(store_facts)
    .where(store_facts.c.name == PROBE)
    .values(value=case((store_facts.c.value == "0", "1"), else_="0"), at=bindparam("now"))
)
_READ: Final = select(store_facts.c.value, store_facts.c.at).where(store_facts.c.name == bindparam("name"))


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact, and when it was written."""

    value: str
    at: datetime


def read_fact(tx: Tx, name: str) -> Fact | None:
    """The fact called *name*; None if the store has none."""
    row = tx.execute(_READ, {"name": name}).one_or_none()
    return Fact(value=row.value, at=row.at) if row else None


def write_fact(tx: Tx, name: str, value: str, *, now: datetime) -> None:
    """Write the fact called *name*, in place of the one before."""
    forget_fact(tx, name)
    tx.execute(insert(store_facts), {"name": name, "value": value, "at": now})


def probe(tx: Tx, *, now: datetime) -> None:
    """Change a row, to test whether the database accepts writes.

    A row of the same bytes would not be written: SQLite compares them, and a full disk would go unnoticed.
    """
    if not tx.execute(_PROBE, {"now": now}).rowcount:
        tx.execute(insert(store_facts), {"name": PROBE, "value": "0", "at": now})


def forget_fact(tx: Tx, name: str) -> None:
    """Delete the fact called *name*, if there is one."""
    tx.execute(delete(store_facts).where(store_facts.c.name == name))
