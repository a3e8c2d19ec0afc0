"""Whether a recipient exists here: the answer to RCPT TO (contract §2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relay.errors import UnknownRecipient
from relay.mail.address import Address
from store.agents import POSTMASTER, lookup_recipient
from store.engine import Store
from store.names import normalise_local
from store.records import Recipient

_CATCH_ALL: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """The addresses that mean the operator rather than an agent of a user."""

    hostname: str  # our own name
    postmaster: str | None  # the agent that takes the operator's mail, if one was named
    shared_domain: str | None  # owned by nobody, so its postmaster is the operator

    def candidates(self, address: Address) -> Sequence[str]:
        """Under which normalised addresses the agent for *address* may be found, the best first."""
        if self._is_the_operators(address):
            return (self.postmaster, POSTMASTER) if self.postmaster else (POSTMASTER,)
        exact = f"{normalise_local(address.local)}@{address.domain}"
        return tuple(dict.fromkeys((exact, address.mailbox, f"{_CATCH_ALL}@{address.domain}")))

    def _is_the_operators(self, address: Address) -> bool:
        if normalise_local(address.local) != POSTMASTER:
            return False
        # <Postmaster> without a domain (RFC 5321 §4.5.1), or at a name that no user can own.
        return address.domain in {"", self.hostname, self.shared_domain}


async def admit(address: Address, *, store: Store, routes: Routes) -> Recipient:
    """The agent that takes mail for *address*, with the secret that seals for it.

    Raises UnknownRecipient, for an agent on an unproved domain too (a stranger cannot tell the two
    apart), and the store's Unavailable.
    """
    candidates = routes.candidates(address)
    recipient = await store.glance(lambda tx: lookup_recipient(tx, candidates))
    if recipient is None:
        raise UnknownRecipient
    return recipient
