"""The questions that every mail asks are answered by an index, however many mails there are."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from store.agents import list_secrets, lookup_recipient
from store.bodies import read_body, read_chunk
from store.connect import open_store
from store.deliveries import (
    claim_due,
    get_delivery,
    list_attempts,
    list_deliveries,
    list_deliveries_of_message,
    list_due_agents,
    release,
    settle_dead,
    settle_delivered,
    settle_later,
)
from store.domains import list_domains_by_user, lookup_domain
from store.keys import get_user_by_api_key, touch_api_key
from store.messages import (
    get_inbound_message,
    get_messages,
    get_messages_by_agent,
    lookup_conversation_id,
    mark_read,
    update_message_delivery_status,
)
from store.queue import ack, extend, lease_messages, nack
from store.records import Attempt
from tests.store.plans import plan_of

AGENT = "hook@agents.example"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def filled(sqlite_file_url, places):
    """A SQLite store with a few of everything, and statistics of none: the plans are those of a fresh database."""
    store = open_store(sqlite_file_url)

    def unit(tx):
        user = places.user(tx)
        places.domain(tx, user)
        places.agent(tx, user, AGENT, webhook="https://hooks.example/in")
        for n in range(3):
            places.message(tx, AGENT, email_message_id=f"{n}@sender")

    store.run(unit)
    yield store
    store.engine.dispose()


def page(status):
    return lambda tx, now: get_messages_by_agent(tx, AGENT, status=status, limit=50, cursor="1", now=now)


def settle(how, **more):
    def unit(tx, now):
        attempt = Attempt(at=now, duration_ms=1, status=500, error=None)
        for claim in claim_due(tx, AGENT, limit=3, lease=MINUTE, now=now):
            how(tx, claim, attempt, **dict.fromkeys(more, now))

    return unit


def missing(ask, *arguments, **more):
    def unit(tx, now):
        with pytest.raises(Exception, match=r"(?i)no such|no domain|over"):  # the question was asked all the same
            ask(tx, *arguments, **{key: value if key != "now" else now for key, value in more.items()})

    return unit


QUESTIONS = {
    "key": lambda tx, now: get_user_by_api_key(tx, "00"),
    "key used": lambda tx, now: touch_api_key(tx, "key_1", now=now),
    "recipient": lambda tx, now: lookup_recipient(tx, [AGENT, "a@agents.example", "*@agents.example"]),
    "secrets": lambda tx, now: list_secrets(tx, AGENT, now=now),
    "domains": lambda tx, now: list_domains_by_user(tx, "usr_1"),
    "domain": missing(lookup_domain, "usr_1", "agents.example"),
    "unread page": page("unread"),
    "read page": page("read"),
    "whole page": page("all"),
    "message": missing(get_inbound_message, AGENT, "msg_1", now=None),
    "messages": lambda tx, now: get_messages(tx, ["msg_1", "msg_2"]),
    "mark read": lambda tx, now: mark_read(tx, "msg_1"),
    "mark": missing(update_message_delivery_status, AGENT, "msg_1", "read", now=None),
    "conversation": lambda tx, now: lookup_conversation_id(tx, AGENT, [f"{n}@sender" for n in range(50)]),
    "lease": lambda tx, now: lease_messages(tx, AGENT, limit=10, lease=MINUTE, now=now),
    "ack": missing(ack, AGENT, "msg_1.00", now=None),
    "nack": missing(nack, AGENT, "msg_1.00", delay=MINUTE, now=None),
    "extend": missing(extend, AGENT, "msg_1.00", lease=MINUTE, now=None),
    "claim": lambda tx, now: claim_due(tx, AGENT, limit=10, lease=MINUTE, now=now),
    "due agents": lambda tx, now: list_due_agents(tx),
    "delivered": settle(settle_delivered, now=None),
    "later": settle(settle_later, due_at=None),
    "dead": settle(settle_dead, now=None),
    "release": lambda tx, now: [
        release(tx, claim, now=now) for claim in claim_due(tx, AGENT, limit=3, lease=MINUTE, now=now)
    ],
    "delivery": missing(get_delivery, "dlv_1"),
    "attempts": lambda tx, now: list_attempts(tx, "dlv_1"),
    "deliveries of a message": lambda tx, now: list_deliveries_of_message(tx, "msg_1"),
    "deliveries of an agent": lambda tx, now: list_deliveries(tx, agent=AGENT, cursor="dlv_z"),
    "body": missing(read_body, "00"),
    "chunk": lambda tx, now: read_chunk(tx, "00", 0),
}
LARGE = ("messages", "deliveries", "delivery_attempts", "bodies", "body_chunks", "agents", "agent_secrets", "api_keys")


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_of_every_day_reads_a_table_from_end_to_end(filled, clock, question):
    plan = plan_of(filled, lambda tx: QUESTIONS[question](tx, clock.now()))

    assert [] == [step for step in plan if step.startswith(tuple(f"SCAN {table}" for table in LARGE))]


@pytest.mark.parametrize(
    ("question", "index"),
    [
        ("key", "api_keys_key_hash_key"),
        ("unread page", "messages_unread"),
        ("lease", "messages_queue"),
        ("claim", "deliveries_due"),
        ("conversation", "messages_thread"),
        ("due agents", "deliveries_due"),
        ("deliveries of an agent", "deliveries_by_agent"),
    ],
)
def test_a_question_is_answered_by_the_index_that_was_made_for_it(sqlite_indexes, filled, clock, question, index):
    plan = plan_of(filled, lambda tx: QUESTIONS[question](tx, clock.now()))

    name = sqlite_indexes(index)
    assert any(f"INDEX {name}" in step for step in plan), plan


@pytest.fixture
def sqlite_indexes(filled):
    """The name by which a plan tells an index: SQLite calls those of UNIQUE constraints its own way."""

    def look(index):
        def unit(tx):
            return tx.execute(text("SELECT name FROM sqlite_master WHERE type = 'index' AND name = :n"), {"n": index})

        return index if filled.run(lambda tx: unit(tx).first()) else "sqlite_autoindex_"

    return look


@pytest.mark.parametrize("question", ["unread page", "lease", "whole page", "deliveries of an agent"])
def test_a_list_comes_in_the_order_of_its_index_and_is_not_sorted(filled, clock, question):
    plan = plan_of(filled, lambda tx: QUESTIONS[question](tx, clock.now()))

    assert [] == [step for step in plan if "TEMP B-TREE FOR ORDER BY" in step]


def test_a_statement_without_an_index_would_be_seen(filled):
    plan = plan_of(filled, lambda tx: tx.execute(text("SELECT id FROM messages WHERE subject = 'hi'")).all())

    assert any(step.startswith("SCAN messages") for step in plan)
