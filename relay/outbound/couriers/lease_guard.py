"""Whether a claim still lasts for as long as handing a mail over takes.

Behind its end somebody else may have the mail: what was stopped, or stood in line, for minutes must not go out then.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from relay.clock import Clock
from relay.errors import CourierBusy

# More than a courier takes from the moment at which it asks: to connect, and one answer.
HANDOVER_TIME: Final = timedelta(minutes=2)

LeaseCheck = Callable[[], None]
"""Return while a mail may go. Raises CourierBusy. It may be asked on any thread."""


def make_lease_check(until: datetime, *, clock: Clock) -> LeaseCheck:
    """The question for a mail whose claim ends at *until*."""

    def check_lease() -> None:
        if until - clock.now() < HANDOVER_TIME:
            raise CourierBusy("the mail was not handed over: it had waited until its claim was nearly over")

    return check_lease
