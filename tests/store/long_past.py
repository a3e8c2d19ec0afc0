"""An agent with a past: thousands of mails that it wrote and received, and whatever is kept beside each."""

from datetime import timedelta

from sqlalchemy import insert, text, update

from store.schema.inbound import agents, messages
from store.schema.outbound import (
    feedback,
    known_recipients,
    notifications,
    outbound,
    send_attempts,
    suppressions,
    used_links,
)
from tests.store.owned import hashed

PAST = 3000  # mails in each direction
CONVERSATION = "conv_long"  # of all of them
STATUSES = ("sent", "queued", "sending", "pending_approval", "unconfirmed", "failed")  # go round
TEXT = "word " * 200
MINUTE = timedelta(minutes=1)
TO_COME = timedelta(days=20)

TABLES = (messages, outbound, send_attempts, feedback, known_recipients, suppressions, notifications, used_links)


def wrote(status):
    """The id of the oldest mail that the agent wrote and that is *status*."""
    return f"msg_a{STATUSES.index(status):06}"


def reader(number):
    """To whom mail *number* went."""
    return f"r{number:06}@reader.example"


def live_long(store, places, agent):
    """Give *agent* a mail a minute in each direction up to now. What waits has waited since it was written."""
    now = places.clock.now()
    rows = [row for n in range(PAST) for row in _of_mail(n, agent, now - (PAST - n) * MINUTE, now)]
    for table in TABLES:
        mine = [values for of, values in rows if of is table]
        for alike in {tuple(values) for values in mine}:  # one statement has the same columns in every row
            several = [values for values in mine if tuple(values) == alike]
            store.run(lambda tx, table=table, several=several: tx.execute(insert(table), several))
    last = update(agents).where(agents.c.address == agent.address).values(last_seq=2 * PAST)
    store.run(lambda tx: tx.execute(last))
    if store.engine.dialect.name == "postgresql":  # whose autovacuum would have come by
        store.run(lambda tx: tx.execute(text("ANALYZE")))


def _of_mail(n, agent, at, now):
    """The rows of the *n*-th mail in either direction, each with its table."""
    status, mail, attempt, who = STATUSES[n % len(STATUSES)], f"msg_a{n:06}", f"snd_{n:06}", reader(n)
    both = {"agent": agent.address, "conversation_id": CONVERSATION, "received_at": at, "visible_at": at}
    both |= {"expires_at": now + TO_COME}
    held = {"hold_expires_at": at if status == "pending_approval" else None}
    sent = {"send_attempt": attempt, "send_until": at if status == "sending" else None}
    own = {"id": mail, "seq": 2 * n + 1, "direction": "outbound", "status": status, "recipient": who}
    yield messages, both | held | sent | own | {"email_message_id": f"{n}@agents.example"}
    # With later ids than all that was written: of the newest messages none is the agent's own.
    got = {"id": f"msg_b{n:06}", "seq": 2 * n + 2, "direction": "inbound", "status": "unread"}
    yield messages, both | got | {"recipient": agent.address, "email_message_id": f"{n}@reader.example"}
    yield outbound, {"message_id": mail, "kind": "send", "text": TEXT, "to": [who], "cc": [], "bcc": [], "headers": []}
    outcome = "sending" if status == "sending" else "sent"
    tried = {"id": attempt, "message_id": mail, "origin": "queue", "outcome": outcome, "began_at": at}
    yield send_attempts, tried
    yield feedback, {"message_id": mail, "event_id": "1", "kind": "delivered", "recipient": who, "at": at}
    yield known_recipients, {"agent": agent.address, "address": who, "first_at": at}
    yield suppressions, {"user_id": agent.user_id, "address": who, "reason": "bounced", "created_at": at}
    letter = {"id": f"ltr_{n:06}", "user_id": agent.user_id, "kind": "review", "message_id": mail, "revision": 1}
    gone = {"status": "pending" if status == "pending_approval" else "sent", "due_at": at, "created_at": at}
    yield notifications, letter | gone
    yield used_links, {"hash": hashed(mail), "user_id": agent.user_id, "expires_at": at + PAST // 2 * MINUTE}
