"""Take the next sequence number of an agent's mailbox, under the agent's row lock.

A later commit has a higher number, so a reader's cursor never passes a row that is not committed yet.
"""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, func, select, update

from store.database.constant import Constant
from store.errors import AgentNotFound
from store.schema.inbound import agent_secrets, agents
from store.transaction import Tx

_KEY: Final = (
    select(func.max(agent_secrets.c.key_id))
    .where(agent_secrets.c.agent == agents.c.address, agent_secrets.c.expires_at.is_(None))
    .scalar_subquery()
    .label("key_id")
)
_MAILBOX: Final = Constant(
    select(
        agents.c.last_seq,
        agents.c.last_awaited,
        agents.c.mode,
        agents.c.events,
        agents.c.user_id,
        agents.c.webhook_url,
        agents.c.webhook_off_at,
        _KEY,
    )
    .where(agents.c.address == bindparam("address"))
    .with_for_update(key_share=True)
)
_COUNT_UP: Final = Constant(
    update(agents)
    .where(agents.c.address == bindparam("mailbox"))
    .values(last_seq=bindparam("seq"), last_awaited=bindparam("awaited"))
)


@dataclass(frozen=True, slots=True)
class WebhookNow:
    """An agent's webhook as this transaction sees it, under the agent's row lock."""

    url: str
    key_id: str  # of the current secret; each rotation changes it


@dataclass(slots=True)
class MailboxPlace:
    """The values of an agent's row that the messages of this transaction need."""

    user_id: str | None  # None for the operator's own postmaster
    mode: str
    events: list[str]
    webhook: WebhookNow | None  # None for an agent that polls, and for a webhook that is off
    counted: dict[str, Any]  # the values that the deferred update will write

    @property
    def seq(self) -> int:
        """The sequence number that was taken last."""
        return int(self.counted["seq"])

    @property
    def last_awaited(self) -> int:
        """The number of Message-IDs that the agent's conversations waited for until now; 0 is none ever."""
        return int(self.counted["awaited"])

    def count_awaited(self) -> int:
        """Take the next number of an awaited Message-ID."""
        self.counted["awaited"] += 1
        return self.last_awaited


def next_place(tx: Tx, address: str) -> MailboxPlace:
    """Take the next sequence number of the agent's mailbox. Raises AgentNotFound."""
    mailbox: MailboxPlace | None = tx.notes.get(("mailbox", address))
    if mailbox is None:
        rows = tx.fetch_before_deferred(_MAILBOX, {"address": address})
        if not rows:
            raise AgentNotFound
        row = rows[0]
        counted = {"mailbox": address, "seq": row.last_seq, "awaited": row.last_awaited}
        mailbox = MailboxPlace(row.user_id, row.mode, row.events, _webhook(row), counted)
        tx.notes["mailbox", address] = mailbox
        tx.defer(_COUNT_UP, mailbox.counted)
    mailbox.counted["seq"] += 1
    return mailbox


def _webhook(row: Any) -> WebhookNow | None:
    if row.mode != "webhook" or row.webhook_off_at is not None or not row.webhook_url or row.key_id is None:
        return None
    return WebhookNow(row.webhook_url, row.key_id)
