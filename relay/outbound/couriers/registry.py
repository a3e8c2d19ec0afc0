"""The registry of couriers: one row for each value of MAILSEAL_OUTBOUND.

To add a courier, write its row (as `ses/row.py`) and name the row in `COURIERS`; a setting of its own goes
into `relay/settings.py`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from relay.errors import Misconfigured, OutboundOff
from relay.finding import Finding, skipped
from relay.outbound.couriers.courier_kind import CourierKind, DomainSetup
from relay.outbound.couriers.ses.row import SES
from relay.outbound.couriers.smarthost_row import SMARTHOST
from relay.settings import PREFIX, Settings

if TYPE_CHECKING:
    from relay.metrics import CountBound
    from relay.outbound.context import SendContext
    from relay.outbound.couriers.courier import Courier
    from relay.outbound.couriers.senders import IdentityCheck
    from relay.outbound.feedback.event_source import EventSource

Couriers = Mapping[str, CourierKind]


async def _check_none(settings: Settings, domains: Sequence[str]) -> list[Finding]:
    del settings, domains
    return [skipped("sending", f"{PREFIX}OUTBOUND is none")]


def _set_up_none(settings: Settings, domain: str) -> DomainSetup:
    del settings, domain
    raise OutboundOff(f"{PREFIX}OUTBOUND is none, so this relay sends no mail: set it to ses or smtp first")


NONE: Final = CourierKind(
    name="none", make=lambda _settings, _count: None, records=None, check=_check_none, set_up_domain=_set_up_none
)
COURIERS: Final[Couriers] = {each.name: each for each in (NONE, SES, SMARTHOST)}


def find_courier(settings: Settings, couriers: Couriers = COURIERS) -> CourierKind:
    """The row that the settings choose. Raises Misconfigured for an unknown name, or a setting that it needs."""
    kind = couriers.get(settings.outbound)
    if kind is None:
        raise Misconfigured(f"{PREFIX}OUTBOUND: {settings.outbound!r} is no courier; set one of {', '.join(couriers)}")
    missing = [name for name in kind.needs if getattr(settings, name) is None]
    if missing:
        raise Misconfigured(f"{PREFIX}OUTBOUND: outbound={kind.name} needs {missing[0]}")
    return kind


def make_courier(
    settings: Settings, couriers: Couriers = COURIERS, *, count: "CountBound" = lambda _: None
) -> "Courier | None":
    """The courier that the settings choose; None where this relay sends no mail out. Raises Misconfigured.

    *count* is called with the name of a bound that an answer of its provider reaches.
    """
    return find_courier(settings, couriers).make(settings, count)


def make_identity_check(settings: Settings, couriers: Couriers = COURIERS) -> "IdentityCheck | None":
    """Ask the provider whether it sends from a domain; None where each is just tried. Raises Misconfigured."""
    return find_courier(settings, couriers).identity_check(settings)


def make_event_sources(
    settings: Settings, ctx: "SendContext", couriers: Couriers = COURIERS
) -> "dict[str, EventSource]":
    """The sources of provider events that the settings set up, by courier; not only the chosen courier's.

    Events about mail that another courier sent earlier still count.
    """
    found = {kind.name: kind.event_source(settings, ctx) for kind in couriers.values() if kind.takes_events}
    return {name: source for name, source in found.items() if source is not None}
