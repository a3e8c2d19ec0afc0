"""Whether the store lost its verified domains: it had some, and no program gave them up.

Without one every recipient is unknown, and the refusal 550 would make senders give up. So the store remembers as a fact
that a domain is verified, from the verification until the last one is given up. A store that was made and never had a
domain has no such fact: its recipients are really unknown.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import exists, literal, or_, select

from store.facts import HOSTED, forget_fact, read_fact, write_fact
from store.schema.facts import store_facts
from store.schema.inbound import domains
from store.transaction import Tx

# A verified domain has an owner or is shared. Both look-ups go through the index of owners.
_OWNED: Final = exists().where(domains.c.user_id > "", domains.c.verified_at.is_not(None))
_VERIFIED: Final = or_(_OWNED, exists().where(domains.c.user_id.is_(None), domains.c.is_shared))
_HAS_VERIFIED: Final = select(literal(1)).where(_VERIFIED)
_LOST: Final = select(store_facts.c.at).where(store_facts.c.name == HOSTED, ~_VERIFIED)


def remember_domains(tx: Tx, *, now: datetime) -> None:
    """Remember that a domain is verified, if one is."""
    if read_fact(tx, HOSTED) is None and tx.execute(_HAS_VERIFIED).first() is not None:
        write_fact(tx, HOSTED, "", now=now)


def forget_domains(tx: Tx) -> None:
    """Forget it, if the last verified domain was given up just now."""
    if tx.execute(_HAS_VERIFIED).first() is None:
        forget_fact(tx, HOSTED)


def has_lost_domains(tx: Tx) -> bool:
    """Whether a domain was verified here, none is, and none was given up."""
    return tx.execute(_LOST).first() is not None
