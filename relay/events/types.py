"""The event types: what each tells of, when, and by which channels it reaches an agent.

This is the one list of them. The database takes any type, so a new one needs no migration: add its name to
`EventName` and its row to `EVENT_TYPES`, and enqueue it where it happens (`store/mail/outbound_events.py`).
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

EventName = Literal[
    "email.received",
    "email.sent",
    "email.failed",
    "email.pending_approval",
    "email.approved",
    "email.rejected",
    "email.expired",
    "email.delivered",
    "email.bounced",
    "email.complained",
]
Channel = Literal["webhook", "stream"]
EVENT_NAMES: Final[tuple[EventName, ...]] = get_args(EventName)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """One type of event."""

    name: EventName
    when: str  # the moment at which it is recorded, as the end of "Sent when …"
    subject: Literal["inbound", "outbound"]  # the message that `data` shows
    channels: tuple[Channel, ...]  # webhook: agents in webhook mode that chose the type; stream: agents in both modes


def _inbound(name: EventName, when: str) -> EventType:
    return EventType(name=name, when=when, subject="inbound", channels=("webhook", "stream"))


def _outbound(name: EventName, when: str) -> EventType:
    return EventType(name=name, when=when, subject="outbound", channels=("webhook",))


EVENT_TYPES: Final[tuple[EventType, ...]] = (
    _inbound("email.received", "a message arrived and is stored"),
    _outbound("email.sent", "the provider, or this relay for its own agents, accepted the message"),
    _outbound("email.failed", "the message was refused, or its last attempt failed: it is not sent again by itself"),
    _outbound("email.pending_approval", "the message is held until a reviewer decides"),
    _outbound("email.approved", "a reviewer approved the message and it was sent"),
    _outbound("email.rejected", "a reviewer rejected the message"),
    _outbound("email.expired", "the hold ended without a decision; `details.action` tells what followed"),
    _outbound("email.delivered", "the provider reported that a recipient's server accepted the message"),
    _outbound("email.bounced", "the provider reported a bounce, or rejected the message after accepting it"),
    _outbound("email.complained", "a recipient reported the message as spam"),
)
