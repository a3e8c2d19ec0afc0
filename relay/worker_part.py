"""What the daemon of one worker shares with its peers."""

from dataclasses import dataclass

from relay.limits.counts import Counts
from relay.peer_bus import PeerBus


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPart:
    """The part of one worker."""

    number: int  # from 0 on
    bus: PeerBus
    mark: str  # at the end of the ids by which its leases are found
    counts: Counts  # behind the limits, which are those of all workers together
