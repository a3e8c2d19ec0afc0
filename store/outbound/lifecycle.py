"""The life of an outbound message: every status, and every move between two (contract §6).

A move is made by compare-and-set: an UPDATE that names the statuses it may start from. So of any
number of people, links, workers and processes exactly one makes it, and the others find out.
"""

from collections.abc import Mapping
from typing import Final

from store.records.outbound import OutboundStatus

MOVES: Final[Mapping[OutboundStatus, frozenset[OutboundStatus]]] = {
    "queued": frozenset({"sending", "sent"}),  # sent: an older attempt's answer came after all
    "pending_approval": frozenset({"sending", "sent", "rejected", "expired_rejected"}),
    "sending": frozenset({"sent", "expired_approved", "queued", "pending_approval", "failed", "unconfirmed"}),
    "unconfirmed": frozenset({"sent", "expired_approved", "queued", "pending_approval", "failed"}),
    "failed": frozenset({"queued", "sent"}),  # its owner tries again
    "sent": frozenset(),
    "rejected": frozenset(),
    "expired_approved": frozenset(),
    "expired_rejected": frozenset(),
}
FINAL: Final = frozenset(status for status, further in MOVES.items() if not further)
"""Nothing happens any more, so the content is not kept."""


def may_move(old: OutboundStatus, new: OutboundStatus) -> bool:
    """Whether the table has a move from *old* to *new*."""
    return new in MOVES[old]


def sources(new: OutboundStatus) -> frozenset[OutboundStatus]:
    """Every status that a message may come to *new* from."""
    return frozenset(old for old, further in MOVES.items() if new in further)
