"""Under which names an address's agent may be found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relay.mail.address import Address
from store.directory.agents import POSTMASTER
from store.names import normalise_local

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
