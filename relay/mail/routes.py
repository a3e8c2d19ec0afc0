"""Map a recipient address to the agent addresses that may receive it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relay.mail.address import Address
from store.directory.agents import POSTMASTER
from store.directory.reserved import SHARED_LOCAL, is_relays_local
from store.names import normalise_local

_CATCH_ALL: Final = "*"
ABUSE: Final = "abuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Lookup rules for recipients: exact address, tag, catch-all, postmaster."""

    hostname: str  # of this server
    postmaster: str | None  # address of the agent that receives the operator's mail, if set
    shared_domain: str | None  # without an owner, so its postmaster is the operator
    letters_domain: str | None = None  # of MAILSEAL_OUTBOUND_FROM_DOMAIN

    def candidates(self, address: Address) -> Sequence[str]:
        """Normalised agent addresses that match *address*, best match first; none for the relay's own."""
        if self.is_relays(address) or self._is_shared_sender(address):
            return ()
        if self._is_the_operators(address):
            return (self.postmaster, POSTMASTER) if self.postmaster else (POSTMASTER,)
        exact = f"{normalise_local(address.local)}@{address.domain}"
        # RFC 2142 §4: complaints reach the domain's owner where no agent takes them.
        abuse = (f"{POSTMASTER}@{address.domain}",) if address.mailbox.startswith(f"{ABUSE}@") else ()
        return tuple(dict.fromkeys((exact, address.mailbox, *abuse, f"{_CATCH_ALL}@{address.domain}")))

    def is_relays(self, address: Address) -> bool:
        """Whether *address* is one that letters of the relay come from: mailseal@ of any domain, with any tag."""
        return bool(address.domain) and is_relays_local(address.local)

    def is_own_domain(self, domain: str) -> bool:
        """Whether letters may come from *domain* although no user has verified it."""
        return domain in {self.hostname, self.letters_domain}

    def _is_shared_sender(self, address: Address) -> bool:
        local = normalise_local(address.local).partition("+")[0]
        return address.domain == self.letters_domain and local == SHARED_LOCAL

    def _is_the_operators(self, address: Address) -> bool:
        if normalise_local(address.local) not in {POSTMASTER, ABUSE}:
            return False
        # <Postmaster> without a domain (RFC 5321 §4.5.1), or at a domain that no user can own.
        return address.domain in {"", self.hostname, self.shared_domain}
