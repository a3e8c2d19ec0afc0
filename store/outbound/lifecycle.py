"""State machine of outbound messages: every status and every allowed move.

See docs/contract.md §6 and docs/decisions/0005-send-is-a-state-machine.md. A move is a compare-and-set: an UPDATE that
names the statuses it may start from. So of any number of reviewers, links, workers and processes exactly one makes
the move, and the others get an error.
"""

from collections.abc import Mapping
from typing import Final

from store.records.outbound import OutboundStatus

MOVES: Final[Mapping[OutboundStatus, frozenset[OutboundStatus]]] = {
    "queued": frozenset({"sending", "sent"}),  # sent: the answer to an older attempt arrived late
    "pending_approval": frozenset({"sending", "sent", "rejected", "expired_rejected"}),
    "sending": frozenset({"sent", "expired_approved", "queued", "pending_approval", "failed", "unconfirmed"}),
    "unconfirmed": frozenset({"sent", "expired_approved", "queued", "pending_approval", "failed"}),
    "failed": frozenset({"queued", "sent"}),  # the owner retries it
    "sent": frozenset(),
    "rejected": frozenset(),
    "expired_approved": frozenset(),
    "expired_rejected": frozenset(),
}
FINAL: Final = frozenset(status for status, further in MOVES.items() if not further)
"""Statuses without further moves; the content of such a message is deleted."""


def may_move(old: OutboundStatus, new: OutboundStatus) -> bool:
    """Whether the table allows the move from *old* to *new*."""
    return new in MOVES[old]


def sources(new: OutboundStatus) -> frozenset[OutboundStatus]:
    """The statuses from which *new* can be reached."""
    return frozenset(old for old, further in MOVES.items() if new in further)
