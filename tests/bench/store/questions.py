"""What is asked of both stores: each question as a unit, which the turn makes a little different each time."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import Any, Final

from sqlalchemy import select

from store.directory.keys import get_user_by_api_key
from store.engine import Store
from store.ids import new_message_id
from store.mail.activity import list_activity_by_agent
from store.mail.bodies import keep_body
from store.mail.conversations import lookup_conversation_id
from store.mail.deliveries import claim_due, list_deliveries, list_due_agents
from store.mail.messages import create_inbound_message, get_message_with_content, get_messages_by_agent
from store.mail.queue import ack, lease_messages
from store.mail.search import list_conversations
from store.mail.usage import list_usage, list_usage_events
from store.outbound.holds import list_expired_pending, list_pending_outbound_for_user
from store.outbound.unconfirmed import sweep_unconfirmed
from store.records.mail import NewMessage
from store.schema.inbound import agents, deliveries, messages
from store.transaction import Tx, Unit
from store.upkeep.export import export_user_data
from store.upkeep.retention import delete_expired_messages
from tests.bench.store import texts
from tests.bench.store.fill import KEYS, key_hash
from tests.bench.store.rows import BIG, SMALL

PAGE: Final = 50
HOLDS: Final = 20
GROUP: Final = 20
BATCH: Final = 100
TURNS: Final = 100  # after so many a question comes again
_MINUTE: Final = timedelta(minutes=1)
_MONTH: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One message that is asked for."""

    seq: int
    id: str
    email_message_id: str
    delivery_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A store, and what whoever asks has to know of it."""

    name: str
    store: Store
    now: datetime
    user_id: str  # of the big agent
    known: tuple[Known, ...]  # of the big agent, from all over the middle of its mailbox

    def at(self, turn: int) -> Known:
        """Another message each turn."""
        return self.known[turn % len(self.known)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something that a store is asked again and again."""

    name: str
    unit: Callable[[Side, int], Unit[Any]]
    kind: str = "read"  # "undone": a write, rolled back each time; "kept": a write, its commit measured with it
    turns: int | None = None  # as often and no more; None is what the run says


def look_around(name: str, store: Store, *, now: datetime) -> Side:
    """What can be asked about in *store*."""
    return store.run(lambda tx: Side(name=name, store=store, now=now, user_id=_owner(tx), known=tuple(_known(tx))))


def _owner(tx: Tx) -> str:
    return str(tx.execute(select(agents.c.user_id).where(agents.c.address == BIG)).scalar_one())


def _known(tx: Tx) -> Iterator[Known]:
    """Inbound messages, in an order without any, so far from both ends that a page is full on either side."""
    last = tx.execute(select(agents.c.last_seq).where(agents.c.address == BIG)).scalar_one()
    query = select(messages.c.seq, messages.c.id, messages.c.email_message_id, deliveries.c.id.label("delivery_id"))
    query = query.join_from(messages, deliveries).where(messages.c.agent == BIG, messages.c.direction == "inbound")
    dice = random.Random(1870)
    for seq in dice.sample(range(last * 3 // 10, last * 6 // 10), TURNS):
        row = tx.execute(query.where(messages.c.seq >= seq).order_by(messages.c.seq).limit(1)).one()
        yield Known(**row._mapping)


def _page(status: str, *, agent: str = BIG, deep: bool = False) -> Callable[[Side, int], Unit[Any]]:
    def unit(side: Side, turn: int) -> Unit[Any]:
        cursor = str(side.at(turn).seq) if deep else None
        return lambda tx: get_messages_by_agent(tx, agent, status=status, limit=PAGE, cursor=cursor, now=side.now)

    return unit


def _activity(*, agent: str = BIG, deep: bool = False) -> Callable[[Side, int], Unit[Any]]:
    def unit(side: Side, turn: int) -> Unit[Any]:
        cursor = str(side.at(turn).seq) if deep else None
        return lambda tx: list_activity_by_agent(tx, agent, limit=PAGE, cursor=cursor, now=side.now)

    return unit


def _deliveries(*, deep: bool = False, **wanted: Any) -> Callable[[Side, int], Unit[Any]]:
    def unit(side: Side, turn: int) -> Unit[Any]:
        cursor = side.at(turn).delivery_id if deep else None
        return lambda tx: list_deliveries(tx, limit=PAGE, cursor=cursor, **wanted)

    return unit


def _message(side: Side, turn: int) -> Unit[Any]:
    return lambda tx: get_message_with_content(tx, BIG, side.at(turn).id, now=side.now, peek=True)


def _conversation(side: Side, turn: int, *, known: bool) -> Unit[Any]:
    dice = random.Random(turn)
    parents = [f"CA+{dice.getrandbits(32):08x}.{dice.getrandbits(128):032x}@mail.customer.example" for _ in range(50)]
    if known:
        parents[-1] = side.at(turn).email_message_id
    return lambda tx: lookup_conversation_id(tx, BIG, parents)


def _key(_side: Side, turn: int) -> Unit[Any]:
    wanted = key_hash(turn * 7 % KEYS)
    return lambda tx: get_user_by_api_key(tx, wanted)


def _pending(side: Side, _turn: int) -> Unit[Any]:
    return lambda tx: list_pending_outbound_for_user(tx, side.user_id, limit=HOLDS, cursor=None, now=side.now)


def _expired(side: Side, _turn: int) -> Unit[Any]:
    return lambda tx: list_expired_pending(tx, limit=HOLDS, now=side.now)


def _usage(side: Side, _turn: int) -> Unit[Any]:
    last = side.now.date()
    return lambda tx: list_usage(tx, side.user_id, first=last - _MONTH, last=last)


def _export(side: Side, _turn: int) -> Unit[Any]:
    """The head of an export: some agents and keys, and 200 messages."""
    return lambda tx: list(islice(export_user_data(tx, side.user_id, now=side.now), 220))


def _lease_and_ack(side: Side, _turn: int) -> Unit[Any]:
    def unit(tx: Tx) -> Any:
        leases = lease_messages(tx, BIG, limit=1, lease=_MINUTE, now=side.now)
        for lease in leases:
            ack(tx, BIG, lease.receipt, now=side.now)
        return leases

    return unit


def _claim(side: Side, _turn: int) -> Unit[Any]:
    return lambda tx: claim_due(tx, BIG, limit=10, lease=_MINUTE, now=side.now)


def _sweep(side: Side, _turn: int) -> Unit[Any]:
    return lambda tx: sweep_unconfirmed(tx, limit=10, now=side.now)


def _insert(side: Side, _turn: int, *, count: int) -> Unit[Any]:
    letters = [_letter(BIG if number % 2 else SMALL, side.now) for number in range(count)]

    def unit(tx: Tx) -> Any:
        return [_keep(tx, new, content) for new, content in letters]

    return unit


def _retention(side: Side, _turn: int) -> Unit[Any]:
    """A batch of what is over; where there is too little of that, as much comes in beforehand."""
    over = select(messages.c.id).where(messages.c.expires_at <= side.now).limit(BATCH)
    if len(side.store.run(lambda tx: tx.execute(over).all())) < BATCH:
        old = [_letter(SMALL, side.now - 2 * _MONTH) for _ in range(BATCH)]
        side.store.run(lambda tx: [_keep(tx, new, content) for new, content in old])
    return lambda tx: delete_expired_messages(tx, now=side.now, limit=BATCH)


def _keep(tx: Tx, new: NewMessage, content: bytes) -> Any:
    keep_body(tx, new.raw_sha256, size=len(content), content=content, now=new.received_at)
    return create_inbound_message(tx, new)


def _letter(agent: str, at: datetime) -> tuple[NewMessage, bytes]:
    """A new mail as the way in makes it, two unknown ones before it in its conversation."""
    message_id = new_message_id()
    content = f"Message-ID: <{message_id}@mail.customer.example>\r\n\r\n{texts.words()[:900]}\r\n".encode()
    return NewMessage(
        id=message_id,
        agent=agent,
        recipient=agent,
        tag=None,
        mail_from="bounce-0123456789@mail.customer.example",
        remote_ip="192.0.2.17",
        helo="mx-out.customer.example",
        tls="TLSv1.3",
        from_name="Bo Reader",
        from_address="bo@customer.example",
        subject="Re: Your order",
        email_message_id=f"{message_id}@mail.customer.example",
        parent_ids=(f"{message_id}.1@mail.customer.example", f"{message_id}.2@mail.customer.example"),
        automated=False,
        verified=True,
        verified_domain="customer.example",
        authentication=texts.authentication(),
        auth_headers=texts.auth_headers(),
        raw_sha256=sha256(content).hexdigest(),
        raw_size=len(content),
        received_at=at,
    ), content


QUESTIONS: Final = (
    Question(name="page, all, first", unit=_page("all")),
    Question(name="page, all, deep", unit=_page("all", deep=True)),
    Question(name="page, unread, first", unit=_page("unread")),
    Question(name="page, unread, deep", unit=_page("unread", deep=True)),
    Question(name="page, read, first", unit=_page("read")),
    Question(name="page, read, deep", unit=_page("read", deep=True)),
    Question(name="page, all, first, small agent", unit=_page("all", agent=SMALL)),
    Question(name="one message with its bytes", unit=_message),
    Question(name="conversation, 50 ids, none known", unit=partial(_conversation, known=False)),
    Question(name="conversation, the 50th known", unit=partial(_conversation, known=True)),
    Question(name="activity, first", unit=_activity()),
    Question(name="activity, deep", unit=_activity(deep=True)),
    Question(name="activity, first, small agent", unit=_activity(agent=SMALL)),
    Question(
        name="conversations, first",
        unit=lambda side, _turn: lambda tx: list_conversations(tx, BIG, limit=PAGE, cursor=None, now=side.now),
    ),
    Question(name="key", unit=_key),
    Question(name="pending holds of a user", unit=_pending),
    Question(name="expired holds", unit=_expired),
    Question(name="due agents", unit=lambda _side, _turn: list_due_agents),
    Question(name="deliveries, all, first", unit=_deliveries()),
    Question(name="deliveries, all, deep", unit=_deliveries(deep=True)),
    Question(name="deliveries of an agent", unit=_deliveries(agent=BIG)),
    Question(name="deliveries of an agent, deep", unit=_deliveries(agent=BIG, deep=True)),
    Question(name="dead deliveries", unit=_deliveries(status="dead")),
    Question(name="dead deliveries of an agent", unit=_deliveries(agent=BIG, status="dead")),
    Question(name="pending deliveries", unit=_deliveries(status="pending")),
    Question(name="pending deliveries of an agent", unit=_deliveries(agent=BIG, status="pending")),
    Question(name="usage of a month", unit=_usage),
    Question(name="usage events", unit=lambda side, _turn: lambda tx: list_usage_events(tx, side.user_id, limit=PAGE)),
    Question(name="export, the first 220 things", unit=_export),
    Question(name="lease and ack of one", unit=_lease_and_ack, kind="undone"),
    Question(name="claim of ten due deliveries", unit=_claim, kind="undone"),
    Question(name="sweep of ten lost sends", unit=_sweep, kind="undone"),
    Question(name="insert of one mail, committed", unit=partial(_insert, count=1), kind="kept"),
    Question(name=f"insert of {GROUP} mails, committed", unit=partial(_insert, count=GROUP), kind="kept"),
    Question(name=f"retention, batch of {BATCH}, committed", unit=_retention, kind="kept", turns=50),
)
