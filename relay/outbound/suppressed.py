"""Recipients that are not to be written to."""

from collections.abc import Sequence

from relay.errors import Suppressed
from store.outbound.suppression import find_suppressed
from store.transaction import Tx


def require_not_suppressed(tx: Tx, user_id: str, addresses: Sequence[str]) -> None:
    """Return if none of *addresses* bounced for good or complained to this user. Raises Suppressed, naming them."""
    found = find_suppressed(tx, user_id, addresses)
    if found:
        told = ", ".join(f"{address} ({suppression.reason})" for address, suppression in sorted(found.items()))
        raise Suppressed(f"not written to any more: {told}", addresses=tuple(sorted(found)))
