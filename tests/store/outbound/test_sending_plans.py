"""What is asked about mail on its way out costs no more when thousands of mails have gone before it."""

import shutil
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from relay.outbound.views import find_outbound_view
from relay.signing.secrets import master_key
from store.database.connect import open_store, sqlite_url
from store.directory.used_links import delete_used_links
from store.directory.users import get_user_by_email
from store.outbound.failed_mail import list_failed_for_user
from store.outbound.feedback import find_message_of_attempt, record_feedback
from store.outbound.holds import expire_reject, list_expired_pending, reject_pending
from store.outbound.known_recipients import known_recipients_of
from store.outbound.letters_queue import claim_due_letters, enqueue_review, enqueue_sign_in, next_letter_due
from store.outbound.outbound import create_outbound_message, get_outbound_message, list_newest_outbound
from store.outbound.send_limits import count_new_recipients, count_sent_since, find_new_recipients
from store.outbound.sending import (
    claim_approved,
    claim_expired,
    claim_queued,
    next_to_send_at,
    settle_deferred,
    settle_failed,
    settle_sent,
    settle_unconfirmed,
)
from store.outbound.suppression import find_suppressed, lift_suppression, list_suppressions
from store.outbound.unconfirmed import confirm_sent, resolve_unconfirmed, send_failed_again, sweep_unconfirmed
from store.records.feedback import Feedback
from tests.conftest import BOTH
from tests.databases import new_database
from tests.fakes import FakeClock
from tests.places import Places, new_outbound
from tests.store.effort import effort_of
from tests.store.long_past import CONVERSATION, PAST, live_long, reader, wrote

AGENT = "poll@agents.example"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
CAP = 20  # less than was written in the six hours that are asked about
READERS = [reader(number) for number in range(50)]
# Less than a row of a step for each twelfth mail, or two instructions for each mail: what reads all takes more.
MOST = {"postgresql": PAST // 12, "sqlite": PAST * 2}


def settled(how, **more):
    """A mail is claimed, and what became of it is written down."""

    def unit(tx, now):
        [outgoing] = claim_queued(tx, limit=1, lease=HOUR, now=now)
        how(tx, outgoing, "0100-1", now=now, **dict.fromkeys(more, now + HOUR))

    return unit


def of_owner(ask, *arguments, **more):
    return lambda tx, now: ask(tx, get_user_by_email(tx, "ana@owner.example").id, *arguments, **more, now=now)


def about_owner(ask, *arguments, **more):
    return lambda tx, _now: ask(tx, get_user_by_email(tx, "ana@owner.example").id, *arguments, **more)


def bounced(tx, now):
    told = Feedback(event_id="2", kind="bounced", recipient=READERS[0], at=now)
    record_feedback(tx, find_message_of_attempt(tx, "snd_000000"), told)


QUESTIONS = {
    "next to send": lambda tx, _now: next_to_send_at(tx),
    "claim": lambda tx, now: claim_queued(tx, limit=8, lease=MINUTE, now=now),
    "sent": settled(settle_sent),
    "failed": settled(settle_failed),
    "put off": settled(settle_deferred, until=None),
    "unconfirmed": settled(settle_unconfirmed),
    "sweep": lambda tx, now: sweep_unconfirmed(tx, limit=10, now=now),
    "resolved": of_owner(resolve_unconfirmed, wrote("unconfirmed"), "sent"),
    "confirmed": lambda tx, now: confirm_sent(tx, wrote("unconfirmed"), "snd_000004", "0100-1", now=now),
    "sent again": of_owner(send_failed_again, wrote("failed")),
    "written": lambda tx, now: create_outbound_message(tx, new_outbound(AGENT, at=now)),
    "expired holds": lambda tx, now: list_expired_pending(tx, limit=10, now=now),
    "approval": of_owner(claim_approved, wrote("pending_approval"), lease=MINUTE),
    "expiry": lambda tx, now: claim_expired(tx, wrote("pending_approval"), lease=MINUTE, now=now),
    "rejection": of_owner(reject_pending, wrote("pending_approval")),
    "rejection by time": lambda tx, now: expire_reject(tx, wrote("pending_approval"), now=now),
    "volume": lambda tx, now: count_sent_since(tx, AGENT, since=now - 6 * HOUR, most=CAP),
    "volume of a conversation": lambda tx, now: count_sent_since(
        tx, AGENT, since=now - 6 * HOUR, most=CAP, conversation_id=CONVERSATION
    ),
    "volume of new recipients": lambda tx, now: count_new_recipients(tx, AGENT, since=now - 6 * HOUR, most=CAP),
    "new recipients": lambda tx, _now: find_new_recipients(tx, AGENT, READERS),
    "acquaintance": lambda tx, _now: known_recipients_of(tx, get_outbound_message(tx, wrote("failed"))),
    "suppressed": about_owner(find_suppressed, READERS),
    "suppressions": about_owner(list_suppressions, cursor=READERS[9]),
    "suppression lifted": about_owner(lift_suppression, READERS[0]),
    "next letter": lambda tx, _now: next_letter_due(tx),
    "letters": lambda tx, now: claim_due_letters(tx, limit=10, lease=MINUTE, now=now),
    "letter of a review": of_owner(enqueue_review, wrote("pending_approval"), 2),
    "letter to sign in": of_owner(enqueue_sign_in),
    "feedback": bounced,
    "links that are over": lambda tx, now: delete_used_links(tx, now=now, limit=10),
    "newest written": lambda tx, _now: list_newest_outbound(tx, None, limit=20),
    "newest written of an agent": lambda tx, _now: list_newest_outbound(tx, AGENT, limit=20),
    "written mail": lambda tx, _now: find_outbound_view(tx, wrote("sent")),
    "trouble": of_owner(list_failed_for_user, limit=20),
}

# Which of them stand or fall with an index made for them.
INDEXES = {
    "next to send": "messages_to_send",
    "claim": "messages_to_send",
    "sweep": "messages_sending",
    "expired holds": "messages_held",
    "volume": "messages_written",
    "volume of new recipients": "known_recipients_new",
    "newest written": "messages_written_of_all",
    "newest written of an agent": "messages_written",
    "trouble": "messages_written",
    "next letter": "notifications_due",
    "letters": "notifications_due",
    "letter of a review": "notifications_message_id",
    "letter to sign in": "notifications_by_user",
    "links that are over": "used_links_expires_at",
}


@pytest.fixture(scope="module", params=BOTH)
def past(request, tmp_path_factory):
    """A store, once of each kind, with an agent that has written and received thousands of mails."""
    with _database(request, tmp_path_factory) as url:
        store = open_store(url)
        places = Places(FakeClock(), master_key(b"a master key for tests"))
        live_long(store, places, store.run(places.poll_agent))
        yield store, places.clock.now()
        store.engine.dispose()


def _database(request, tmp_path_factory):
    if request.param == "postgresql":
        template = request.getfixturevalue("postgres_template")
        return new_database(request.getfixturevalue("postgres"), like=template)
    template = request.getfixturevalue("sqlite_template")
    copy = Path(shutil.copy(template, tmp_path_factory.mktemp("past") / "mailseal.db"))
    return nullcontext(sqlite_url(copy))


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_about_sending_does_not_go_through_all_that_was_sent(past, question):
    store, now = past

    effort = effort_of(store, lambda tx: QUESTIONS[question](tx, now))

    assert 0 < effort.most < MOST[store.engine.dialect.name], effort.plan


@pytest.mark.parametrize(("question", "index"), INDEXES.items())
def test_a_question_about_sending_enters_the_index_made_for_it(past, question, index):
    store, now = past

    effort = effort_of(store, lambda tx: QUESTIONS[question](tx, now))

    assert any(index in step.split() for step in effort.plan), effort.plan


@pytest.mark.parametrize("asked", ["subject = 'hi'", "1 = 1 ORDER BY subject"])
def test_a_question_that_goes_through_everything_would_be_seen(past, asked):
    store, _ = past

    effort = effort_of(store, lambda tx: tx.execute(text(f"SELECT id FROM messages WHERE {asked} LIMIT 1")).all())

    assert effort.most > MOST[store.engine.dialect.name]
