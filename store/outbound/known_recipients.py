"""Whom an agent has written to before, for whoever is to judge where a mail goes.

Only ever used to warn: who is not found is shown as new, and so is everybody beyond what is looked at.
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
"""Nobody there has had a mail of the agent's; it has not; it is not where the answered mail came from."""

_LOOKED_AT: Final = 20_000  # of an agent's recipients


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRecipients:
    """How an agent stands to the recipients of a mail of its own. Addresses are as the mail names them."""

    new: frozenset[str]  # it has not written to these
    new_domains: frozenset[str]  # nor to anybody there
    answered: str | None  # who wrote what a reply answers, when that is known

    def marks(self, address: str) -> list[Mark]:
        """Why to look twice at a recipient."""
        domain, marks = domain_of(address), list[Mark]()
        if domain in self.new_domains:
            marks.append("new_domain")
        elif address in self.new:
            marks.append("new")
        if self.answered is not None and domain != domain_of(self.answered):
            marks.append("elsewhere")
        return marks


def known_recipients_of(tx: Tx, message: OutboundMessage) -> KnownRecipients:
    """How the agent stood to the recipients before it wrote *message*. Whoever it answers is no stranger."""
    named = {address: _key(address) for address in message.all_recipients}
    answered = _answered(tx, message)
    known = _known(tx, message.agent, list(named.values()), before=message.created_at)
    known |= {_key(answered)} if answered else set()
    strange = {domain_of(key) for key in named.values() if key not in known} - {domain_of(key) for key in known}
    met = {domain for domain in strange if _has_met(tx, message.agent, domain, before=message.created_at)}
    return KnownRecipients(
        new=frozenset(address for address, key in named.items() if key not in known),
        new_domains=frozenset(strange - met),
        answered=answered,
    )


def domain_of(address: str) -> str:
    """The domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()


def _known(tx: Tx, agent: str, addresses: Sequence[str], *, before: datetime) -> set[str]:
    mine = known_recipients.c.agent == agent
    query = select(known_recipients.c.address).where(mine, known_recipients.c.address.in_(addresses))
    return set(tx.execute(query.where(known_recipients.c.first_at < before)).scalars())


def _has_met(tx: Tx, agent: str, domain: str, *, before: datetime) -> bool:
    columns = (known_recipients.c.address, known_recipients.c.first_at)
    some = select(*columns).where(known_recipients.c.agent == agent).limit(_LOOKED_AT).subquery()
    there = some.c.address.endswith(f"@{domain}", autoescape=True)
    return tx.execute(select(literal(1)).where(there, some.c.first_at < before).limit(1)).first() is not None


def _answered(tx: Tx, message: OutboundMessage) -> str | None:
    """Who wrote the mail that *message* answers: of several with one id the oldest is meant."""
    if message.kind != "reply" or message.answered is None or message.answered.in_reply_to is None:
        return None
    parent = (messages.c.agent == message.agent, messages.c.email_message_id == message.answered.in_reply_to)
    query = select(messages.c.from_address).where(*parent, messages.c.direction == "inbound")
    found: str | None = tx.execute(query.order_by(messages.c.email_message_id, messages.c.seq).limit(1)).scalar()
    return found or None


def _key(address: str) -> str:
    """*address* as it is kept in known_recipients, or as it is where it has no such form."""
    return normalise_or_none(address) or address
