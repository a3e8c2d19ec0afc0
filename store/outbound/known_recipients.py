"""Recipients an agent has mailed before; flags new ones to a reviewer.

Advisory only: a recipient that is not found counts as new, and so does one beyond the rows examined.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import literal, select

from store.names import normalise_or_none
from store.records.outbound import OutboundMessage
from store.schema.inbound import messages
from store.schema.outbound import known_recipients
from store.transaction import Tx

Mark = Literal["new_domain", "new", "elsewhere"]
"""No mail to this domain before; none to this address; not the domain that the answered mail came from."""

_SCAN_LIMIT: Final = 20_000  # recipients of one agent that are examined


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRecipients:
    """Which recipients of a message are new to its agent; addresses as in the message."""

    new: frozenset[str]  # addresses without earlier mail from the agent
    new_domains: frozenset[str]  # domains without earlier mail from the agent
    answered: str | None  # sender of the message that a reply answers, if known

    def marks(self, address: str) -> list[Mark]:
        """Reasons to check a recipient."""
        domain, marks = domain_of(address), list[Mark]()
        if domain in self.new_domains:
            marks.append("new_domain")
        elif address in self.new:
            marks.append("new")
        if self.answered is not None and domain != domain_of(self.answered):
            marks.append("elsewhere")
        return marks


def known_recipients_of(tx: Tx, message: OutboundMessage) -> KnownRecipients:
    """Which recipients were known to the agent before it wrote *message*.

    The sender of the message that it answers counts as known.
    """
    named = {address: _key(address) for address in message.all_recipients}
    answered = _answered(tx, message)
    known = _known(tx, message.agent, list(named.values()), before=message.created_at)
    known |= {_key(answered)} if answered else set()
    unknown = {domain_of(key) for key in named.values() if key not in known} - {domain_of(key) for key in known}
    mailed = {domain for domain in unknown if _has_mailed(tx, message.agent, domain, before=message.created_at)}
    return KnownRecipients(
        new=frozenset(address for address, key in named.items() if key not in known),
        new_domains=frozenset(unknown - mailed),
        answered=answered,
    )


def domain_of(address: str) -> str:
    """The domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()


def _known(tx: Tx, agent: str, addresses: Sequence[str], *, before: datetime) -> set[str]:
    mine = known_recipients.c.agent == agent
    query = select(known_recipients.c.address).where(mine, known_recipients.c.address.in_(addresses))
    return set(tx.execute(query.where(known_recipients.c.first_at < before)).scalars())


def _has_mailed(tx: Tx, agent: str, domain: str, *, before: datetime) -> bool:
    columns = (known_recipients.c.address, known_recipients.c.first_at)
    some = select(*columns).where(known_recipients.c.agent == agent).limit(_SCAN_LIMIT).subquery()
    there = some.c.address.endswith(f"@{domain}", autoescape=True)
    return tx.execute(select(literal(1)).where(there, some.c.first_at < before).limit(1)).first() is not None


def _answered(tx: Tx, message: OutboundMessage) -> str | None:
    """The sender of the message that *message* answers; of several, the oldest."""
    if message.kind != "reply" or message.answered is None or message.answered.in_reply_to is None:
        return None
    parent = (messages.c.agent == message.agent, messages.c.email_message_id == message.answered.in_reply_to)
    query = select(messages.c.from_address).where(*parent, messages.c.direction == "inbound")
    found: str | None = tx.execute(query.order_by(messages.c.email_message_id, messages.c.seq).limit(1)).scalar()
    return found or None


def _key(address: str) -> str:
    """*address* as stored in known_recipients; unchanged if it cannot be normalised."""
    return normalise_or_none(address) or address
