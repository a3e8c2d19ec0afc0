"""The questions that every mail asks are answered by an index, however many mails there are."""

from datetime import date, timedelta

import pytest
from sqlalchemy import text

from store.database.connect import open_store
from store.directory.agents import list_secrets, lookup_recipient, page_agents_by_user
from store.directory.domain_records import list_record_states, take_due_domains
from store.directory.domains import list_domains_by_user, lookup_domain, page_domains_by_user
from store.directory.idempotency import begin_request, forget_request, keep_answer
from store.directory.keys import get_user_by_api_key, list_api_keys, touch_api_key
from store.directory.sessions import delete_expired_user_sessions, delete_user_session, get_user_session
from store.directory.used_links import delete_used_links, use_link
from store.directory.users import create_or_get_user, get_user_by_email, get_user_by_id
from store.errors import EmailTaken
from store.mail.awaited import delete_expired_awaited
from store.mail.bodies import keep_body, keep_chunk, read_body, read_chunk
from store.mail.body_gc import collect_bodies, collect_chunks
from store.mail.conversations import lookup_conversation_id
from store.mail.deliveries import (
    claim_due,
    get_delivery,
    list_attempts,
    list_deliveries,
    list_deliveries_of_message,
    list_due_agents,
    release,
    settle_dead,
    settle_delivered,
    settle_retry,
)
from store.mail.messages import (
    KEPT_FOR,
    get_inbound_message,
    get_messages,
    get_messages_by_agent,
    mark_read,
    update_message_delivery_status,
)
from store.mail.queue import ack, extend, lease_messages, nack
from store.mail.received_digests import delete_old_digests, find_received
from store.mail.usage import list_usage, list_usage_events
from store.outbound.failed_mail import list_failed_for_user
from store.outbound.feedback import find_message_of_attempt, list_feedback
from store.outbound.suppression import find_suppressed, lift_suppression, list_suppressions
from store.records.mail import Attempt
from store.schema.inbound import metadata
from store.upkeep.erasure import delete_user_data
from store.upkeep.export import export_user_data
from store.upkeep.retention import (
    delete_expired_messages,
    delete_old_attempts,
    delete_old_deliveries,
    delete_old_idempotency_keys,
    delete_old_usage_events,
)
from tests.places import keep_message, new_message
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
        with pytest.raises(
            Exception, match=r"(?i)no such|not a domain|ended|not on the suppression list"
        ):  # the question was asked all the same
            ask(tx, *arguments, **{key: value if key != "now" else now for key, value in more.items()})

    return unit


def of_owner(ask, *arguments, **more):
    """A question about the user who owns everything there is."""

    def unit(tx, now):
        owner = get_user_by_email(tx, "ana@owner.example")
        return ask(tx, owner.id, *arguments, **{key: value if key != "now" else now for key, value in more.items()})

    return unit


def asked_twice(tx, now):
    for _ in range(2):
        of_owner(begin_request, "k", "0" * 64, now=None)(tx, now)


def taken(tx, now):
    create_or_get_user(tx, "oidc-1", "bo@owner.example", now=now)
    create_or_get_user(tx, "oidc-1", "cy@owner.example", now=now)
    with pytest.raises(EmailTaken):
        create_or_get_user(tx, "oidc-2", "cy@owner.example", now=now)


def used_twice(tx, now):
    owner = get_user_by_email(tx, "ana@owner.example")
    assert [True, False] == [use_link(tx, "0" * 64, owner.id, now + MINUTE) for _ in range(2)]


def kept_in_parts(tx, now):
    keep_chunk(tx, "00", 0, b".", now=now)
    keep_body(tx, "00", size=1, content=None, now=now)


def waited_for(tx, now):
    for own, *parents in (("3", "2", "1"), ("4", "2"), ("2", "0")):
        keep_message(tx, new_message(AGENT, b".", at=now, email_message_id=own, parent_ids=tuple(parents)), b".")


QUESTIONS = {
    "user": of_owner(get_user_by_id),
    "sign in": taken,
    "session": lambda tx, now: get_user_session(tx, "00", now=now),
    "sign out": lambda tx, now: delete_user_session(tx, "00"),
    "sessions that are over": lambda tx, now: delete_expired_user_sessions(tx, now=now),
    "link": used_twice,
    "links that are over": lambda tx, now: delete_used_links(tx, now=now),
    "mail in trouble": of_owner(list_failed_for_user, limit=20, now=None),
    "keys": of_owner(list_api_keys),
    "usage": of_owner(list_usage, first=date(2026, 1, 1), last=date(2026, 12, 31)),
    "usage events": of_owner(list_usage_events, cursor="7"),
    "request": asked_twice,
    "answer": of_owner(keep_answer, "k", status=200, answer=None),
    "no answer": of_owner(forget_request, "k"),
    "suppressions": of_owner(list_suppressions, cursor="bo@reader.example"),
    "suppressed": of_owner(find_suppressed, [f"{n}@reader.example" for n in range(50)]),
    "suppression": missing(lift_suppression, "usr_1", "bo@reader.example"),
    "feedback": lambda tx, now: list_feedback(tx, "msg_1"),
    "attempt": lambda tx, now: find_message_of_attempt(tx, "snd_1"),
    "export": lambda tx, now: list(of_owner(export_user_data, now=None)(tx, now)),
    "erasure": of_owner(delete_user_data),
    "key": lambda tx, now: get_user_by_api_key(tx, "00"),
    "key used": lambda tx, now: touch_api_key(tx, "key_1", now=now),
    "recipient": lambda tx, now: lookup_recipient(tx, [AGENT, "a@agents.example", "*@agents.example"]),
    "secrets": lambda tx, now: list_secrets(tx, AGENT, now=now),
    "domains": lambda tx, now: list_domains_by_user(tx, "usr_1"),
    "domains page": lambda tx, now: page_domains_by_user(tx, "usr_1", limit=50, cursor="a.example"),
    "agents page": lambda tx, now: page_agents_by_user(tx, "usr_1", limit=50, cursor=AGENT),
    "record states": lambda tx, now: list_record_states(tx, "usr_1", ["a.example", "b.example"]),
    "domains to look at": lambda tx, now: take_due_domains(tx, limit=20, lease=MINUTE, now=now + 9 * MINUTE),
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
    "later": settle(settle_retry, due_at=None),
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
    "long body": kept_in_parts,
    "expired messages": lambda tx, now: delete_expired_messages(tx, now=now + KEPT_FOR, limit=10),
    "old keys": lambda tx, now: delete_old_idempotency_keys(tx, now=now, limit=10),
    "old digests": lambda tx, now: delete_old_digests(tx, now=now, limit=10),
    "a mail again": lambda tx, now: find_received(tx, ["x" * 64], since=now),
    "mails that wait": waited_for,
    "awaited ids over": lambda tx, now: delete_expired_awaited(tx, now=now, limit=10),
    "old attempts": lambda tx, now: delete_old_attempts(tx, now=now, limit=10),
    "old deliveries": lambda tx, now: delete_old_deliveries(tx, now=now, limit=10),
    "old usage events": lambda tx, now: delete_old_usage_events(tx, now=now, limit=10),
    "bodies left behind": lambda tx, now: collect_bodies(tx, after="", limit=10, before=now),
    "chunks left behind": lambda tx, now: [
        keep_chunk(tx, "00", 0, b".", now=now),
        collect_chunks(tx, after="", limit=10, before=now),
    ],
}
LARGE = tuple(table.name for table in metadata.sorted_tables)


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_of_every_day_reads_a_table_from_end_to_end(filled, clock, question):
    plan = plan_of(filled, lambda tx: QUESTIONS[question](tx, clock.now()))

    assert [] == [step for step in plan if step.startswith(tuple(f"SCAN {table}" for table in LARGE))]


@pytest.mark.parametrize(
    ("question", "index"),
    [
        ("key", "api_keys_key_hash_key"),
        ("sign in", "users_subject_key"),
        ("sessions that are over", "user_sessions_expires_at"),
        ("usage events", "usage_events_by_user"),
        ("links that are over", "used_links_expires_at"),
        ("mail in trouble", "messages_written"),
        ("unread page", "messages_unread"),
        ("lease", "messages_queue"),
        ("claim", "deliveries_due"),
        ("conversation", "messages_thread"),
        ("due agents", "deliveries_due"),
        ("deliveries of an agent", "deliveries_by_agent"),
        ("expired messages", "messages_expires_at"),
        ("expired messages", "messages_raw_sha256"),
        ("old keys", "idempotency_keys_created_at"),
        ("old digests", "received_digests_received_at"),
        ("mails that wait", "awaited_ids_pkey"),
        ("mails that wait", "awaited_ids_conversation"),
        ("awaited ids over", "awaited_ids_expires_at"),
        ("domains to look at", "domain_claims_to_check"),
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


@pytest.mark.parametrize(
    "question",
    ["unread page", "lease", "whole page", "deliveries of an agent", "usage", "usage events", "sessions that are over"],
)
def test_a_list_comes_in_the_order_of_its_index_and_is_not_sorted(filled, clock, question):
    plan = plan_of(filled, lambda tx: QUESTIONS[question](tx, clock.now()))

    assert [] == [step for step in plan if "TEMP B-TREE FOR ORDER BY" in step]


def test_a_statement_without_an_index_would_be_seen(filled):
    plan = plan_of(filled, lambda tx: tx.execute(text("SELECT id FROM messages WHERE subject = 'hi'")).all())

    assert any(step.startswith("SCAN messages") for step in plan)
