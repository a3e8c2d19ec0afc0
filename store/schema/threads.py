"""The table of Message-IDs that were named in an answer before the message itself arrived."""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text

from store.schema.base import metadata
from store.types import UtcDateTime

# See store/mail/awaited.py.
awaited_ids: Final = Table(
    "awaited_ids",
    metadata,
    Column("agent", ForeignKey("agents.address", ondelete="CASCADE"), primary_key=True),
    Column("awaited", Text, primary_key=True),  # a Message-ID as normalise_message_id makes it
    Column("number", BigInteger, nullable=False),  # from agents.last_awaited: the oldest are removed first
    Column("conversation_id", Text, nullable=False),  # of the message that waits
    Column("expires_at", UtcDateTime, nullable=False, index=True),  # with that message
)
Index("awaited_ids_conversation", awaited_ids.c.agent, awaited_ids.c.conversation_id)
Index("awaited_ids_number", awaited_ids.c.agent, awaited_ids.c.number)
