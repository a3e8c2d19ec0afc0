"""The next place in an agent's mailbox: a sequence number given out under the agent's row lock.

Whoever commits later has the higher one, so no reader's cursor ever passes a row that is still to come.
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
    """An agent's row as the messages of this transaction need it."""

    user_id: str | None  # None for the operator's own postmaster
    mode: str
    events: list[str]
    counted: dict[str, Any]  # the values that the put-off update will write

    @property
    def seq(self) -> int:
        """The number that was given out last."""
        return int(self.counted["seq"])


def next_place(tx: Tx, address: str) -> MailboxPlace:
    """The agent's mailbox with its next sequence number taken. Raises AgentNotFound."""
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
