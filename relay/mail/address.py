"""Email address (mailbox) without display name: parse, format, normalise."""

import re
from dataclasses import dataclass
from typing import Final

from relay.errors import BadAddress
from store.names import normalise_domain, normalise_local

_DOT_ATOM: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+)*"
)


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox (RFC 5321 §4.1.2). The local part is unquoted and keeps its case."""

    local: str  # without quotes; may hold every character that a quoted string may hold
    domain: str  # lower-case A-labels, or an address literal with its brackets; empty only for <Postmaster>

    def __str__(self) -> str:
        local = self.local
        if not _DOT_ATOM.fullmatch(local):
            local = '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"{local}@{self.domain}" if self.domain else local

    @property
    def mailbox(self) -> str:
        """The form by which agents are looked up: local part folded, tag removed.

        RFC 5233.
        """
        local, _, _ = normalise_local(self.local).partition("+")
        return f"{local}@{self.domain}"

    @property
    def tag(self) -> str | None:
        """The text after the first ``+`` of the local part, case kept; None without ``+``."""
        _, plus, tag = self.local.partition("+")
        return tag if plus else None


def parse_mailbox(text: str) -> Address:
    """Parse ``local@domain``, without angle brackets, comments or quotes.

    Raises BadAddress.
    """
    local, at, domain = text.rpartition("@")
    if not at or not _DOT_ATOM.fullmatch(local):
        raise BadAddress(f"not an address: {text!r}")
    try:
        return Address(local=local, domain=normalise_domain(domain))
    except ValueError as error:
        raise BadAddress(str(error)) from error
