"""Keep to the sending quota of a provider's account: recipients a second and in 24 hours. Pure."""

from dataclasses import dataclass
from typing import Final

from relay.errors import CourierBusy

UNLIMITED: Final = -1.0
LONGEST_WAIT: Final = 5.0  # seconds a mail may wait here; for more it goes back to the queue
FRESH_SECONDS: Final = 60.0  # how long the account's answer is used
_BURST_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The account's sending quota; each recipient counts as one."""

    a_day: float  # in any 24 hours; UNLIMITED for no limit
    a_second: float
    sent: float  # in the last 24 hours


class Quota:
    """Counts recipients since the account was last asked. Not for concurrent calls."""

    def __init__(self) -> None:
        self._allowance: Allowance | None = None
        self._read_at = 0.0
        self._sent = 0
        self._free_at = float("-inf")  # when the account's rate has room again for a full burst

    def is_stale(self, now: float) -> bool:
        """Whether the account must be asked again; *now* in seconds of a monotonic clock."""
        return self._allowance is None or now - self._read_at >= FRESH_SECONDS

    def learn(self, allowance: Allowance | None, *, now: float) -> None:
        """Use *allowance* from *now* on. None: the account gives no quota, so only its own refusals limit sending."""
        self._allowance = allowance or Allowance(a_day=UNLIMITED, a_second=0, sent=0)
        self._read_at, self._sent = now, 0

    def take(self, recipients: int, *, now: float) -> float:
        """Count a mail to *recipients*, and return how many seconds it must wait before its hand-over.

        Raises CourierBusy, and counts nothing, where that is over LONGEST_WAIT or the 24-hour quota is used up.
        """
        may = self._allowance
        if may is None:
            return 0.0
        if may.a_day != UNLIMITED and may.sent + self._sent + recipients > may.a_day:
            raise CourierBusy(
                f"the account's {may.a_day:.0f} recipients in 24 hours are used up", seconds=FRESH_SECONDS
            )
        wait = 0.0
        if may.a_second > 0:
            begins = max(self._free_at, now - _BURST_SECONDS)
            wait = max(0.0, begins - now)
            if wait > LONGEST_WAIT:
                raise CourierBusy(f"the account's {may.a_second:g} recipients a second are used up", seconds=wait)
            self._free_at = begins + recipients / may.a_second
        self._sent += recipients
        return wait
