"""Doctor check of sending: the check of the courier that the settings choose. Sends no mail."""

from collections.abc import Sequence

from relay.finding import Finding
from relay.outbound.couriers.registry import COURIERS, Couriers, find_courier
from relay.settings import Settings


async def check_sending(settings: Settings, *, domains: Sequence[str], couriers: Couriers = COURIERS) -> list[Finding]:
    """Check the courier, and whether it sends for *domains*. Raises Misconfigured for an unknown courier."""
    return await find_courier(settings, couriers).check(settings, domains)
