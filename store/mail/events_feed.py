"""An agent's events in order, readable from any position.

The position of an event (*place*) is its message's sequence number. It is assigned under the agent's row lock, so
no event with a lower number is committed after a reader has passed it. Reading changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import and_, bindparam, select

from store.cursors import parse_cursor
from store.errors import AgentNotFound, InvalidValue
from store.ids import event_id_of
from store.mail.messages import get_messages_by_agent
from store.records.mail import Message
from store.schema.inbound import UNREAD, agents, api_keys, deliveries, messages
from store.transaction import Tx

RECEIVED: Final = "email.received"

_PER_QUERY: Final = 500  # agents and keys per query
_AGENTS: Final = select(
    agents.c.address, agents.c.user_id, agents.c.created_at, agents.c.last_seq, agents.c.events
).where(agents.c.address.in_(bindparam("addresses", expanding=True)))
_KEYS: Final = select(api_keys.c.id, api_keys.c.user_id).where(api_keys.c.id.in_(bindparam("keys", expanding=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """A reader of an agent's events: the agent as it was then, and the API key used."""

    agent: str
    made_at: datetime  # tells it from a later agent at the same address
    user_id: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Pulse:
    """The current state of an agent, as far as its followers need it."""

    place: int  # of the last event
    types: frozenset[str]  # event types that the agent has chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEvent:
    """One event, with what a webhook would get."""

    place: int
    id: str  # evt_…
    type: str
    at: datetime
    message: Message


def last_place(tx: Tx, agent: str) -> int:
    """The position of an agent's last event, 0 without events. Raises AgentNotFound."""
    place = tx.execute(select(agents.c.last_seq).where(agents.c.address == agent)).scalar()
    if place is None:
        raise AgentNotFound
    return int(place)


def resumed_place(tx: Tx, agent: str, event_id: str) -> int:
    """The position behind which a reader resumes whose last event was *event_id*.

    *event_id* is the id as the stream sent it. Raises InvalidValue: not a position of this agent. Raises
    AgentNotFound.
    """
    place = parse_cursor(event_id)
    if place > last_place(tx, agent):
        raise InvalidValue("no event of this agent has this id")
    return place


def place_before_unread(tx: Tx, agent: str, *, now: datetime) -> int:
    """The position just before an agent's oldest unread message.

    Without unread messages, the last position. Raises AgentNotFound.
    """
    unread = select(messages.c.seq).where(messages.c.agent == agent, UNREAD, messages.c.expires_at > now)
    oldest = tx.execute(unread.order_by(messages.c.seq).limit(1)).scalar()
    return last_place(tx, agent) if oldest is None else int(oldest) - 1


def list_pulses(tx: Tx, followers: Sequence[Follower]) -> dict[Follower, Pulse]:
    """The current state of the agents of *followers*; two indexed reads per 500.

    A follower is missing when its key or its agent was deleted; an agent recreated at the same address is another
    one.
    """
    pulses = {}
    for start in range(0, len(followers), _PER_QUERY):
        some = followers[start : start + _PER_QUERY]
        owners = tx.execute(_KEYS, {"keys": sorted({each.key_id for each in some})})
        holds = {(row.id, row.user_id) for row in owners}
        rows = tx.execute(_AGENTS, {"addresses": sorted({each.agent for each in some})})
        found = {(row.address, row.user_id, row.created_at): Pulse(row.last_seq, frozenset(row.events)) for row in rows}
        for each in some:
            pulse = found.get((each.agent, each.user_id, each.made_at))
            if pulse is not None and (each.key_id, each.user_id) in holds:
                pulses[each] = pulse
    return pulses


def list_events(tx: Tx, agent: str, *, after: int, limit: int, now: datetime) -> list[FeedEvent]:
    """Up to *limit* events behind *after*, in order; fewer only at the end."""
    page = get_messages_by_agent(tx, agent, status="all", limit=limit, cursor=str(after), now=now)
    promised = _promised(tx, [message.id for message in page.items])
    return [
        FeedEvent(
            place=message.seq,
            id=promised.get(message.id) or event_id_of(message.id, RECEIVED),
            type=RECEIVED,
            at=message.received_at,
            message=message,
        )
        for message in page.items
    ]


def _promised(tx: Tx, message_ids: Sequence[str]) -> dict[str, str]:
    """The event ids of existing webhook deliveries, by message id."""
    received = and_(deliveries.c.message_id.in_(message_ids), deliveries.c.event_type == RECEIVED)
    return {
        row.message_id: row.event_id
        for row in tx.execute(select(deliveries.c.message_id, deliveries.c.event_id).where(received))
    }
