"""What the daemon of one worker shares with its peers."""

from dataclasses import dataclass

from relay.limits.counts import Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPart:
    """The part of one worker."""

    number: int  # from 0 on
    counts: Counts  # behind the limits, which are those of all workers together
