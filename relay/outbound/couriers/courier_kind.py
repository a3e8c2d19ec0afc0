"""What the relay must know of one kind of courier: the fields of a row in the registry of couriers.

Every command that reads the settings imports this and the rows, so they import types only for the type checker.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relay.dns.sending_records import SendingRecords
    from relay.finding import Finding
    from relay.metrics import CountBound
    from relay.outbound.context import SendContext
    from relay.outbound.couriers.courier import Courier
    from relay.outbound.couriers.senders import IdentityCheck
    from relay.outbound.feedback.event_source import EventSource
    from relay.settings import Settings


@dataclass(frozen=True, slots=True)
class DomainSetup:
    """A domain at a provider, and the records that its owner publishes for it."""

    domain: str
    is_verified: bool  # the provider sends mail from it
    records: tuple[tuple[str, str], ...]  # CNAMEs to publish: name, value
    are_seen: bool  # the provider has found them in DNS
    note: str = ""  # for people, on each record
    hint: str = ""  # for people, where the provider names no record


def no_identity_check(settings: "Settings") -> "IdentityCheck | None":
    """Assume that the courier sends from every domain."""
    del settings
    return None


def no_events(settings: "Settings", ctx: "SendContext") -> "EventSource | None":
    """Take no events."""
    del settings, ctx
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class CourierKind:
    """One row. Its functions import the courier and its library when they are called, and never before."""

    name: str  # the value of MAILSEAL_OUTBOUND
    needs: tuple[str, ...] = ()  # settings without which it cannot send
    make: "Callable[[Settings, CountBound], Courier | None]"  # None: this relay sends no mail out. Raises Misconfigured
    identity_check: "Callable[[Settings], IdentityCheck | None]" = no_identity_check  # Raises Misconfigured
    records: "SendingRecords | None"  # of a domain that sends by it; None where the relay sends no mail out
    check: "Callable[[Settings, Sequence[str]], Awaitable[list[Finding]]]"  # the doctor's, for domains; never sends
    set_up_domain: "Callable[[Settings, str], DomainSetup]"  # Raises OutboundOff, Refused, CourierBusy, Misconfigured
    takes_null_path: bool = False  # whether it sends from the null reverse-path (RFC 5321 §4.5.5)
    keeps_return_path: bool = False  # bounces come back to the reverse-path that this relay names
    takes_events: bool = False  # whether its provider posts to /NAME/events/SECRET
    event_source: "Callable[[Settings, SendContext], EventSource | None]" = no_events  # None where it is not set up
