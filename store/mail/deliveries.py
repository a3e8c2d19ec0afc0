"""Webhook deliveries, the outbox: insert, claim by one statement, settle, replay.

See docs/decisions/0002-outbox-row-is-the-queue.md. A claim moves ``due_at`` to the end of its lease, so the work of
a process that dies becomes due again. Only recorded attempts count towards giving up.
"""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any, Final

from sqlalchemy import Row, bindparam, case, func, insert, select, update

from store.database.constant import Constant, Values, any_of
from store.errors import DeliveryNotFound, NotReplayable
from store.ids import new_delivery_id, new_event_id
from store.records.mail import Attempt, Claim, Delivery, DeliveryStatus, Page
from store.schema.inbound import DEAD, PENDING, agents, deliveries, delivery_attempts
from store.transaction import Tx
from store.wake import DELIVERIES

MAX_PAGE: Final = 200
MAX_ERROR: Final = 200
MAX_REPLAYS: Final = 200  # per transaction

_NAMES: Final = tuple(field.name for field in fields(Delivery))
_COLUMNS: Final = [deliveries.c[name] for name in _NAMES]
_WEBHOOK_IS_ON: Final = (
    select(agents.c.address)
    .where(
        agents.c.address == bindparam("agent_address"), agents.c.mode == "webhook", agents.c.webhook_off_at.is_(None)
    )
    .exists()
)
_DUE: Final = (
    select(deliveries.c.id)
    .where(
        deliveries.c.agent == bindparam("agent_address"),
        PENDING,
        deliveries.c.due_at <= bindparam("now"),
        _WEBHOOK_IS_ON,
    )
    .order_by(deliveries.c.due_at, deliveries.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_CLAIM: Final = Constant(
    update(deliveries)
    .where(deliveries.c.id.in_(select(_DUE.c.id)))
    .values(due_at=bindparam("until"), claims=deliveries.c.claims + 1)
    .returning(*_COLUMNS, deliveries.c.claims)
)
_STATUS: Final[dict[str, Any]] = {"pending": PENDING, "dead": DEAD, "delivered": deliveries.c.status == "delivered"}
_INSERT: Final = Constant(insert(deliveries))
_INSERT_ATTEMPT: Final = Constant(insert(delivery_attempts))

_PENDING: Final = update(deliveries).where(deliveries.c.id == bindparam("delivery"), PENDING)
_PENDING_CLAIM: Final = _PENDING.where(deliveries.c.claims == bindparam("claim"))
_COUNTED: Final = {
    "attempts": deliveries.c.attempts + 1,
    "last_status": bindparam("answer"),
    "last_error": bindparam("error"),
}
_SETTLED: Final = {"status": "delivered", "settled_at": bindparam("settled"), **_COUNTED}


def _by_outcome(rows: Sequence[Values]) -> list[Values]:
    """One run for all deliveries that arrived with the same answer."""
    alike: dict[tuple[Any, ...], list[str]] = {}
    for row in rows:
        alike.setdefault((row["answer"], row["error"], row["settled"]), []).append(row["delivery"])
    return [
        {"delivered": sorted(ids), "answer": answer, "error": error, "settled": settled}
        for (answer, error, settled), ids in alike.items()
    ]


_DELIVERED: Final = Constant(
    {
        name: update(deliveries).where(named, PENDING).values(_SETTLED)
        for name, named in any_of(deliveries.c.id, "delivered").items()
    },
    gather=_by_outcome,
)
_RETRY: Final = Constant(_PENDING_CLAIM.values(due_at=bindparam("due"), **_COUNTED))
_DEAD: Final = Constant(_PENDING_CLAIM.values(status="dead", settled_at=bindparam("settled"), **_COUNTED))
_UNCOUNTED: Final = case((deliveries.c.claims > 0, deliveries.c.claims - 1), else_=0)  # a first claim has number 0
_RELEASED: Final = Constant(_PENDING_CLAIM.values(due_at=bindparam("due"), claims=_UNCOUNTED))
_FIRST_CLAIMED: Final = update(deliveries).where(
    PENDING, deliveries.c.claims == 0, deliveries.c.attempts == 0, deliveries.c.due_at > bindparam("now")
)


def enqueue(
    tx: Tx,
    *,
    agent: str,
    event_type: str,
    message_id: str | None,
    now: datetime,
    details: dict[str, Any] | None = None,
) -> str:
    """Insert a pending delivery of one event to one agent's webhook; returns its id."""
    values = _new_row(agent, event_type, message_id, due_at=now, now=now, details=details)
    tx.defer(_INSERT, values)
    tx.wake(DELIVERIES + agent)
    return str(values["id"])


def enqueue_claimed(tx: Tx, *, agent: str, event_type: str, message_id: str, until: datetime, now: datetime) -> Claim:
    """Insert a pending delivery that this process has claimed until *until*; returns its first claim.

    No worker is woken. When the process dies, the delivery falls due with its lease, or by ``end_first_claims``.
    """
    values = _new_row(agent, event_type, message_id, due_at=until, now=now, details=None)
    tx.defer(_INSERT, values)
    delivery = Delivery(**values, attempts=0, settled_at=None, last_status=None, last_error=None)
    return Claim(delivery=delivery, number=0, until=until)


def end_first_claims(tx: Tx, *, now: datetime, mark: str = "") -> list[str]:
    """Make due what was inserted claimed and never tried, when no process can be posting it; returns its agents.

    With *mark* only what the process with this mark inserted (store/ids.py).
    """
    ended = _FIRST_CLAIMED.where(deliveries.c.id.like(f"%{mark}")).values(due_at=now).returning(deliveries.c.agent)
    agents_of = sorted(set(tx.execute(ended, {"now": now}).scalars()))
    for agent in agents_of:
        tx.wake(DELIVERIES + agent)
    return agents_of


def _new_row(
    agent: str,
    event_type: str,
    message_id: str | None,
    *,
    due_at: datetime,
    now: datetime,
    details: dict[str, Any] | None,
) -> dict[str, Any]:
    return {
        "id": new_delivery_id(),
        "event_id": new_event_id(),
        "event_type": event_type,
        "agent": agent,
        "message_id": message_id,
        "status": "pending",
        "due_at": due_at,
        "created_at": now,
        "details": details,
    }


def claim_due(tx: Tx, agent: str, *, limit: int, lease: timedelta, now: datetime) -> list[Claim]:
    """Claim up to *limit* due deliveries of one agent, oldest due first, for *lease*.

    Empty while the agent's webhook is disabled or the agent polls.
    """
    until = now + lease
    found = tx.fetch(_CLAIM, {"agent_address": agent, "now": now, "most": limit, "until": until})
    rows = sorted(found, key=lambda row: row.id)
    return [Claim(delivery=delivery_of(row), number=row.claims, until=until) for row in rows]


def list_due_agents(tx: Tx) -> dict[str, datetime]:
    """Agents with pending deliveries and an enabled webhook, with the next due time.

    Walks from agent to agent along the index, so the cost grows with agents and not with deliveries.
    """
    first = select(func.min(deliveries.c.agent).label("agent")).where(PENDING).cte("walk", recursive=True)
    after = select(func.min(deliveries.c.agent)).where(PENDING, deliveries.c.agent > first.c.agent).scalar_subquery()
    walk = first.union_all(select(after).where(first.c.agent.is_not(None)))
    next_due = (
        select(func.min(deliveries.c.due_at)).where(PENDING, deliveries.c.agent == walk.c.agent).scalar_subquery()
    )
    query = select(walk.c.agent, next_due.label("due_at")).join(agents, agents.c.address == walk.c.agent)
    rows = tx.execute(query.where(agents.c.webhook_off_at.is_(None), agents.c.mode == "webhook"))
    return {row.agent: row.due_at for row in rows}


def settle_delivered(tx: Tx, claim: Claim, attempt: Attempt, *, now: datetime) -> None:
    """Record a successful attempt: the delivery becomes ``delivered``.

    Not fenced by the claim's number: it is true even if the lease ended meanwhile.
    """
    tx.defer(_DELIVERED, {**_attempt_values(claim, attempt), "settled": now})
    _record_attempt(tx, claim, attempt)


def settle_retry(tx: Tx, claim: Claim, attempt: Attempt, *, due_at: datetime) -> None:
    """Record a failed attempt: the delivery is due again at *due_at*.

    The delivery is unchanged when another worker has claimed it meanwhile; the attempt is recorded.
    """
    tx.defer(_RETRY, {**_attempt_values(claim, attempt), "claim": claim.number, "due": due_at})
    _record_attempt(tx, claim, attempt)


def settle_dead(tx: Tx, claim: Claim, attempt: Attempt, *, now: datetime) -> None:
    """Record a last failed attempt: the delivery becomes ``dead``; it can be replayed.

    The delivery is unchanged when another worker has claimed it meanwhile; the attempt is recorded.
    """
    tx.defer(_DEAD, {**_attempt_values(claim, attempt), "claim": claim.number, "settled": now})
    _record_attempt(tx, claim, attempt)


def release(tx: Tx, claim: Claim, *, now: datetime) -> None:
    """Return a claim without an attempt: the delivery is due now, and the claim does not count as lost."""
    tx.defer(_RELEASED, {"delivery": claim.delivery.id, "claim": claim.number, "due": now})


def get_delivery(tx: Tx, delivery_id: str) -> Delivery:
    """One delivery. Raises DeliveryNotFound."""
    row = tx.execute(select(*_COLUMNS).where(deliveries.c.id == delivery_id)).first()
    if row is None:
        raise DeliveryNotFound
    return delivery_of(row)


def list_attempts(tx: Tx, delivery_id: str) -> list[Attempt]:
    """All recorded attempts of a delivery, oldest first."""
    query = select(delivery_attempts).where(delivery_attempts.c.delivery_id == delivery_id)
    rows = tx.execute(query.order_by(delivery_attempts.c.number))
    return [Attempt(at=row.at, duration_ms=row.duration_ms, status=row.status, error=row.error) for row in rows]


def list_deliveries(
    tx: Tx,
    *,
    agent: str | None = None,
    status: DeliveryStatus | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Delivery]:
    """A page of deliveries, newest first, behind *cursor* (a delivery id)."""
    query = select(*_COLUMNS).order_by(deliveries.c.id.desc())
    if agent is not None:
        query = query.where(deliveries.c.agent == agent)
    if status is not None:
        query = query.where(_STATUS[status])
    if cursor is not None:
        query = query.where(deliveries.c.id < cursor)
    count = max(1, min(limit, MAX_PAGE))
    rows = tx.execute(query.limit(count + 1)).all()
    items = [delivery_of(row) for row in rows[:count]]
    return Page(items, items[-1].id if len(rows) > count else None)


def list_deliveries_by_user(
    tx: Tx, user_id: str, *, status: DeliveryStatus | None = None, limit: int = 50, cursor: str | None = None
) -> Page[Delivery]:
    """A page of the deliveries of a user's agents, newest first, behind *cursor*."""
    count = max(1, min(limit, MAX_PAGE))
    # One query per agent, along that agent's index: a single query would read through other users' rows.
    owned = tx.execute(select(agents.c.address).where(agents.c.user_id == user_id)).scalars().all()
    pages = [list_deliveries(tx, agent=agent, status=status, limit=count, cursor=cursor) for agent in owned]
    newest = merge(*[page.items for page in pages], key=lambda delivery: delivery.id, reverse=True)
    items = list(islice(newest, count + 1))
    is_more = len(items) > count or any(page.next_cursor for page in pages)
    return Page(items[:count], items[:count][-1].id if is_more else None)


def get_delivery_for_user(tx: Tx, user_id: str, delivery_id: str) -> Delivery:
    """One delivery of one of this user's agents.

    Raises DeliveryNotFound, also for another user's delivery.
    """
    delivery = get_delivery(tx, delivery_id)
    mine = select(agents.c.address).where(agents.c.address == delivery.agent, agents.c.user_id == user_id)
    if tx.execute(mine).first() is None:
        raise DeliveryNotFound
    return delivery


def list_deliveries_of_message(tx: Tx, message_id: str) -> list[Delivery]:
    """All deliveries of one message, oldest first."""
    query = select(*_COLUMNS).where(deliveries.c.message_id == message_id).order_by(deliveries.c.id)
    return [delivery_of(row) for row in tx.execute(query)]


def replay(tx: Tx, delivery_id: str, *, now: datetime) -> Delivery:
    """Make a settled delivery due now, attempts and claims reset to 0, under the same event id.

    Raises DeliveryNotFound. Raises NotReplayable: it is pending.
    """
    get_delivery(tx, delivery_id)
    settled = update(deliveries).where(deliveries.c.id == delivery_id, deliveries.c.status != "pending")
    if tx.execute(settled.values(status="pending", attempts=0, claims=0, due_at=now, settled_at=None)).rowcount == 0:
        raise NotReplayable
    delivery = get_delivery(tx, delivery_id)
    tx.wake(DELIVERIES + delivery.agent)
    return delivery


def replay_dead(tx: Tx, agent: str, *, limit: int = MAX_REPLAYS, now: datetime) -> list[Delivery]:
    """Replay an agent's dead deliveries, oldest first, at most *limit*.

    Call again for the rest.
    """
    dead = select(deliveries.c.id).where(deliveries.c.agent == agent, DEAD).order_by(deliveries.c.id).limit(limit)
    return [replay(tx, delivery_id, now=now) for delivery_id in tx.execute(dead).scalars().all()]


def give_up_pending(tx: Tx, agent: str, *, reason: str, now: datetime) -> list[str]:
    """Make all pending deliveries of an agent dead; returns the ids of their messages."""
    pending = update(deliveries).where(deliveries.c.agent == agent, PENDING)
    gone = pending.values(status="dead", settled_at=now, last_error=reason).returning(deliveries.c.message_id)
    return [message_id for message_id in tx.execute(gone).scalars() if message_id is not None]


def delivery_of(row: Row[Any]) -> Delivery:
    """The record of a row that has at least the columns of a delivery."""
    return Delivery(**{name: getattr(row, name) for name in _NAMES})


def _attempt_values(claim: Claim, attempt: Attempt) -> dict[str, Any]:
    return {"delivery": claim.delivery.id, "answer": attempt.status, "error": _bounded(attempt.error)}


def _record_attempt(tx: Tx, claim: Claim, attempt: Attempt) -> None:
    """Record the attempt, also when another worker has claimed the delivery meanwhile."""
    tried = {"at": attempt.at, "duration_ms": attempt.duration_ms, "status": attempt.status}
    tx.defer(_INSERT_ATTEMPT, {"delivery_id": claim.delivery.id, **tried, "error": _bounded(attempt.error)})


def _bounded(error: str | None) -> str | None:
    return error[:MAX_ERROR] if error else None
