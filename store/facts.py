"""Facts of the store as a whole, such as the check value of its master key."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, insert, select

from store.schema.facts import store_facts
from store.transaction import Tx

MASTER_CHECK: Final = "master_check"  # HMAC of a fixed text under the master key (relay/signing/master_check.py)
LAST_BACKUP: Final = "last_backup"  # when `mailseal backup` last copied the store
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


def forget_fact(tx: Tx, name: str) -> None:
    """Delete the fact called *name*, if there is one."""
    tx.execute(delete(store_facts).where(store_facts.c.name == name))
