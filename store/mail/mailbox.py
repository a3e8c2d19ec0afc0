"""Take the next sequence number of an agent's mailbox, under the agent's row lock.

A later commit has a higher number, so a reader's cursor never passes a row that is not committed yet.
"""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, select, update

from store.errors import AgentNotFound
from store.schema.inbound import agents
from store.transaction import Tx

_MAILBOX: Final = (
    select(agents.c.last_seq, agents.c.mode, agents.c.events, agents.c.user_id)
    .where(agents.c.address == bindparam("address"))
    .with_for_update(key_share=True)
)
_COUNT_UP: Final = update(agents).where(agents.c.address == bindparam("mailbox")).values(last_seq=bindparam("seq"))


@dataclass(slots=True)
class MailboxPlace:
    """The values of an agent's row that the messages of this transaction need."""

    user_id: str | None  # None for the operator's own postmaster
    mode: str
    events: list[str]
    counted: dict[str, Any]  # the values that the deferred update will write

    @property
    def seq(self) -> int:
        """The sequence number that was taken last."""
        return int(self.counted["seq"])


def next_place(tx: Tx, address: str) -> MailboxPlace:
    """Take the next sequence number of the agent's mailbox. Raises AgentNotFound."""
    mailbox: MailboxPlace | None = tx.notes.get(("mailbox", address))
    if mailbox is None:
        row = tx.execute_before_deferred(_MAILBOX, {"address": address}).first()
        if row is None:
            raise AgentNotFound
        mailbox = MailboxPlace(row.user_id, row.mode, row.events, {"mailbox": address, "seq": row.last_seq})
        tx.notes["mailbox", address] = mailbox
        tx.defer(_COUNT_UP, mailbox.counted)
    mailbox.counted["seq"] += 1
    return mailbox
