"""Refuse to start a hand-over whose lease would end before the provider can answer.

After the end of the lease another worker may have the message, so a mail that waited too long must not go out.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from relay.clock import Clock
from relay.errors import CourierBusy

HANDOVER_TIME: Final = timedelta(minutes=2)  # longer than connecting to the provider and reading one answer

LeaseCheck = Callable[[], None]
"""Return while the mail may be handed over. Raises CourierBusy. It may be called on any thread."""


def make_lease_check(until: datetime, *, clock: Clock) -> LeaseCheck:
    """The check for a message whose lease ends at *until*."""

    def check_lease() -> None:
        if until - clock.now() < HANDOVER_TIME:
            raise CourierBusy("the mail was not handed over: it had waited until its lease was nearly over")

    return check_lease
