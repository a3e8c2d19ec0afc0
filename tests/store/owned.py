"""A user with rows in every table, for what tells or takes away everything; and messages by the thousand."""

from datetime import timedelta
from hashlib import sha256

from sqlalchemy import Text, cast, func, insert, literal, select, update

from relay.directory.agents import make_secret
from store.directory.agents import add_secret
from store.directory.domain_records import keep_record_states
from store.directory.domains import lookup_domain
from store.directory.idempotency import begin_request
from store.directory.keys import create_api_key
from store.directory.sessions import create_user_session
from store.mail.bodies import CHUNK_BYTES, keep_body, keep_chunk
from store.mail.deliveries import claim_due, enqueue, settle_retry
from store.mail.messages import create_inbound_message
from store.mail.queue import lease_messages
from store.mail.received_digests import keep_digest
from store.outbound.outbound import create_outbound_message, create_pending_outbound_message
from store.outbound.sending import claim_approved, settle_failed, settle_sent
from store.records.domains import RecordState
from store.records.mail import Attempt
from store.schema.inbound import agents, bodies, domain_records, messages, metadata
from store.schema.outbound import feedback, known_recipients, notifications, suppressions, used_links
from tests.places import new_message, new_outbound

SHARED = b"Subject: to all\r\n\r\nwhat several users were sent\r\n"
MINUTE = timedelta(minutes=1)


def hashed(*words):
    return sha256("".join(words).encode()).hexdigest()


def own_everything(store, places, email, domain):
    """The user *email*, with a verified *domain*, two agents, and at least a row of theirs in every table."""
    user = store.run(lambda tx: places.user(tx, email))
    store.run(lambda tx: places.domain(tx, user, domain))
    poll = store.run(lambda tx: places.agent(tx, user, f"poll@{domain}")).address
    hook = store.run(lambda tx: places.agent(tx, user, f"hook@{domain}", webhook="https://hooks.example/in")).address
    store.run(lambda tx: see_domain(tx, user, domain, now=places.clock.now()))
    for make in (_sign_in_and_ask, _receive, _deliver, _write):
        store.run(lambda tx, make=make: make(tx, places, user, poll, hook))
    return user


def see_domain(tx, user, domain, *, now):
    """Keep how the proof of a domain was seen."""
    seen = {"purpose": "ownership", "status": "verified", "found": ("mailseal-verify=…",), "checked_at": now}
    state = RecordState(**seen, verified_at=now, missing_since=None)
    keep_record_states(tx, lookup_domain(tx, user.id, domain), [state], next_check_at=now + MINUTE)


def _sign_in_and_ask(tx, places, user, poll, hook):
    now = places.clock.now()
    add_secret(tx, make_secret(hook, master=places.master, now=now))
    for name, agent in (("all", None), ("one", poll)):
        key_hash = hashed("key", name, user.email)
        create_api_key(tx, user.id, key_hash=key_hash, prefix="mk_abcdefghi", name=name, now=now, agent=agent)
    create_user_session(tx, user.id, token_hash=hashed("session", user.email), now=now)
    begin_request(tx, user.id, "k-1", hashed("request", user.email), now=now)
    seen = {"purpose": "receiving", "status": "verified", "found": ["10 mx.here.example"], "checked_at": now}
    tx.execute(insert(domain_records), {"user_id": user.id, "domain": poll.partition("@")[2], **seen})


def _receive(tx, places, user, poll, hook):
    own = f"Subject: to {user.email}\r\n\r\n".encode()
    first = places.message(tx, poll, SHARED, email_message_id=f"1@{poll}")
    keep_digest(tx, hashed("digest", user.email), first.id, now=places.clock.now())
    places.message(tx, poll, own, parent_ids=(first.email_message_id,))
    places.message(tx, hook, SHARED, parent_ids=("not-arrived@sender.example",), report_of=first.id)
    keep_long(tx, hook, own, now=places.clock.now())
    lease_messages(tx, poll, limit=1, lease=MINUTE, now=places.clock.now())


def keep_long(tx, agent, start, *, now):
    """A mail for *agent* that is kept in three chunks and begins with *start*."""
    raw = start + b"x" * (2 * CHUNK_BYTES)
    new = new_message(agent, raw, at=now)
    for number in range(3):
        keep_chunk(tx, new.raw_sha256, number, raw[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES], now=now)
    keep_body(tx, new.raw_sha256, size=len(raw), content=None, now=now)
    create_inbound_message(tx, new)


def _deliver(tx, places, _user, _poll, hook):
    now = places.clock.now()
    enqueue(tx, agent=hook, event_type="email.complained", message_id=None, now=now)
    for claim in claim_due(tx, hook, limit=2, lease=MINUTE, now=now):
        settle_retry(tx, claim, Attempt(at=now, duration_ms=5, status=500, error="no"), due_at=now + MINUTE)


def _write(tx, places, user, poll, _hook):
    now = places.clock.now()
    told = {"message_id": create_outbound_message(tx, new_outbound(poll, at=now)).id}
    known = {"address": "bo@reader.example"}
    tx.execute(insert(known_recipients), known | {"agent": poll, "first_at": now})
    tx.execute(insert(suppressions), known | {"user_id": user.id, "reason": "bounced", "created_at": now})
    tx.execute(insert(feedback), told | {"event_id": "1", "kind": "bounced", "recipient": known["address"], "at": now})
    letter = {"id": hashed("letter", user.email), "user_id": user.id, "kind": "review", "revision": 1, **told}
    letter |= {"nonce_hash": hashed("nonce", user.email), "link_hash": hashed("letter link", user.email)}
    tx.execute(insert(notifications), letter | {"status": "pending", "due_at": now, "created_at": now})
    tx.execute(insert(used_links), {"hash": hashed("link", user.email), "user_id": user.id, "expires_at": now})
    for settle in (settle_sent, settle_failed):
        held = create_pending_outbound_message(tx, new_outbound(poll, at=now), ttl_seconds=60)
        settle(tx, claim_approved(tx, user.id, held.id, lease=MINUTE, now=now), "0100-1", now=now)


def dump(store):
    """Every row of every table, sorted."""
    with store.engine.connect() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table)).mappings()))
            for table in metadata.sorted_tables
        }


def multiply(tx, message_id, count, *, contents_too=False):
    """Make *count* more of a message, all of its agent and, unless *contents_too*, of the same content."""
    copies = select(literal(1).label("n")).cte("copies", recursive=True)
    copies = copies.union_all(select(copies.c.n + 1).where(copies.c.n < count))
    number = cast(copies.c.n, Text)
    new = {column.name: column for column in messages.c}
    new |= {"id": messages.c.id + "_" + number, "seq": messages.c.seq + copies.c.n}
    model = messages.c.id == message_id
    if contents_too:
        new["raw_sha256"] = func.substr("0" * 64, 1, 64 - func.length(number)) + number
        content = {"sha256": new["raw_sha256"], "size": bodies.c.size, "content": bodies.c.content}
        content |= {"created_at": bodies.c.created_at}
        rows = select(*content.values()).join_from(messages, bodies).join(copies, literal(True)).where(model)
        tx.execute(insert(bodies).from_select(list(content), rows))
    rows = select(*new.values()).join_from(messages, copies, literal(True)).where(model)
    tx.execute(insert(messages).from_select(list(new), rows))
    whose = select(messages.c.agent).where(model).scalar_subquery()
    tx.execute(update(agents).where(agents.c.address == whose).values(last_seq=agents.c.last_seq + count))
