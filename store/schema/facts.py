"""The table of facts about the store as a whole, such as which master key it belongs to."""

from typing import Final

from sqlalchemy import Column, Table, Text

from store.schema.base import metadata
from store.types import UtcDateTime

# A row for each fact; store/facts.py has their names.
store_facts: Final = Table(
    "store_facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
