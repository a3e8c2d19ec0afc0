"""Map a recipient address to the agent addresses that may receive it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from relay.mail.address import Address
from store.directory.agents import POSTMASTER
from store.names import normalise_local

_CATCH_ALL: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Lookup rules for recipients: exact address, tag, catch-all, postmaster."""

    hostname: str  # of this server
    postmaster: str | None  # address of the agent that receives the operator's mail, if set
    shared_domain: str | None  # without an owner, so its postmaster is the operator

    def candidates(self, address: Address) -> Sequence[str]:
        """Normalised agent addresses that match *address*, best match first."""
        if self._is_the_operators(address):
            return (self.postmaster, POSTMASTER) if self.postmaster else (POSTMASTER,)
        exact = f"{normalise_local(address.local)}@{address.domain}"
        return tuple(dict.fromkeys((exact, address.mailbox, f"{_CATCH_ALL}@{address.domain}")))

    def _is_the_operators(self, address: Address) -> bool:
        if normalise_local(address.local) != POSTMASTER:
            return False
        # <Postmaster> without a domain (RFC 5321 §4.5.1), or at a domain that no user can own.
        return address.domain in {"", self.hostname, self.shared_domain}
