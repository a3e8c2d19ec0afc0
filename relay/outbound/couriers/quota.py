"""What a provider's account may send: recipients a second and a day, kept to before it has to say no. Pure."""

from dataclasses import dataclass
from typing import Final

from relay.errors import CourierBusy

UNLIMITED: Final = -1.0
LONGEST_WAIT: Final = 5.0  # seconds a mail may stand in line here; more is the queue's business
FRESH_SECONDS: Final = 60.0  # how long what the account said is believed
_BURST_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What the account said of itself; each recipient counts."""

    a_day: float  # in any 24 hours; UNLIMITED for no end
    a_second: float
    sent: float  # in the last 24 hours


class Quota:
    """Counts what is sent between two looks at the account. For one task at a time."""

    def __init__(self) -> None:
        self._allowance: Allowance | None = None
        self._read_at = 0.0
        self._sent = 0
        self._free_at = float("-inf")  # when all that was sent will have been paid for at the account's pace

    def is_stale(self, now: float) -> bool:
        """Whether the account is to be asked again; *now* in seconds of a clock that never goes back."""
        return self._allowance is None or now - self._read_at >= FRESH_SECONDS

    def learn(self, allowance: Allowance | None, *, now: float) -> None:
        """Believe *allowance* from *now* on. None: the account does not say, and its own refusals must do."""
        self._allowance = allowance or Allowance(a_day=UNLIMITED, a_second=0, sent=0)
        self._read_at, self._sent = now, 0

    def take(self, recipients: int, *, now: float) -> float:
        """Count a mail to *recipients*, and answer how many seconds it must wait before it goes.

        Raises CourierBusy, counting nothing, where that is too long or the day's share is used up.
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
                raise CourierBusy(f"the account sends {may.a_second:g} a second, and others wait", seconds=wait)
            self._free_at = begins + recipients / may.a_second
        self._sent += recipients
        return wait
