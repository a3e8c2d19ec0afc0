"""An agent's events in the order in which they happened, to be read on from any place.

The place of an event is its message's sequence number. It is given out under the agent's row lock, so
what a reader has passed never gets a neighbour that commits late. Reading marks nothing and takes nothing.
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

_ASKED: Final = 500  # agents and keys of one question
_AGENTS: Final = select(
    agents.c.address, agents.c.user_id, agents.c.created_at, agents.c.last_seq, agents.c.events
).where(agents.c.address.in_(bindparam("addresses", expanding=True)))
_KEYS: Final = select(api_keys.c.id, api_keys.c.user_id).where(api_keys.c.id.in_(bindparam("keys", expanding=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """Who reads an agent's events: the agent as it was then, and the key that opened it."""

    agent: str
    made_at: datetime  # another agent of the same address, made later, is not the same
    user_id: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Pulse:
    """An agent as its follower must know it."""

    place: int  # of what happened last
    types: frozenset[str]  # of event that the agent has chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEvent:
    """Something that happened, as a webhook would be told of it."""

    place: int
    id: str  # evt_…
    type: str
    at: datetime
    message: Message


def last_place(tx: Tx, agent: str) -> int:
    """The place of what happened last to an agent, 0 where nothing has. Raises AgentNotFound."""
    place = tx.execute(select(agents.c.last_seq).where(agents.c.address == agent)).scalar()
    if place is None:
        raise AgentNotFound
    return int(place)


def resumed_place(tx: Tx, agent: str, event_id: str) -> int:
    """The place behind which somebody goes on who had the event *event_id*, as the stream named it, last.

    Raises InvalidValue for what is no place of this agent's, AgentNotFound.
    """
    place = parse_cursor(event_id)
    if place > last_place(tx, agent):
        raise InvalidValue("no event of this agent has had this id")
    return place


def place_before_unread(tx: Tx, agent: str, *, now: datetime) -> int:
    """The place behind which comes an agent's oldest unread message; without one, the last. Raises AgentNotFound."""
    unread = select(messages.c.seq).where(messages.c.agent == agent, UNREAD, messages.c.expires_at > now)
    oldest = tx.execute(unread.order_by(messages.c.seq).limit(1)).scalar()
    return last_place(tx, agent) if oldest is None else int(oldest) - 1


def list_pulses(tx: Tx, followers: Sequence[Follower]) -> dict[Follower, Pulse]:
    """The agents of *followers* as they are now, two indexed reads for some hundreds of them.

    None for a follower whose key has gone, or the agent; one made anew at the same address is another.
    """
    pulses = {}
    for start in range(0, len(followers), _ASKED):
        some = followers[start : start + _ASKED]
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
    """Up to *limit* events behind the place *after*, in order; fewer only where there are no more."""
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
    """The event ids that a webhook was promised, by message."""
    received = and_(deliveries.c.message_id.in_(message_ids), deliveries.c.event_type == RECEIVED)
    return {
        row.message_id: row.event_id
        for row in tx.execute(select(deliveries.c.message_id, deliveries.c.event_id).where(received))
    }
