"""Hand a stored mail to delivery straight from memory, so that its webhook is not read back from the store.

The part of this program that posts implements ``StraightDelivery`` (relay/delivery/straight.py).
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Protocol

from relay.events.reading import MailReading
from store.records.mail import FirstClaim


class ReservedMemory(Protocol):
    """Memory for the webhooks of one mail until they are posted."""

    def until(self, agent: str) -> datetime | None:
        """The end of the claim that the agent's delivery is inserted with; None: it is inserted unclaimed."""
        ...

    def hand_over(self, claimed: Sequence[FirstClaim], reading: MailReading) -> None:
        """Have committed deliveries posted. What is reserved and not handed over is freed."""
        ...


class StraightDelivery(Protocol):
    """What posts events from memory."""

    def reserve(self, agents: Sequence[str], size: int) -> AbstractContextManager[ReservedMemory]:
        """Reserve memory for a mail of *size* bytes to *agents*, for each of them that may have it."""
        ...


class NothingReserved:
    """Every delivery is inserted unclaimed."""

    def until(self, agent: str) -> datetime | None:
        """None: it is inserted unclaimed."""
        del agent
        return None

    def hand_over(self, claimed: Sequence[FirstClaim], reading: MailReading) -> None:
        """Do nothing: nothing was claimed."""
        del claimed, reading


class NoStraightDelivery:
    """Every delivery is claimed from its row."""

    def reserve(self, agents: Sequence[str], size: int) -> AbstractContextManager[ReservedMemory]:
        """Reserve nothing."""
        del agents, size
        return nullcontext(NothingReserved())
