"""Several people, workers and processes want the same holds: one gets each, and a mail goes out once."""

from datetime import timedelta

import pytest

from store.errors import NotPendingApproval
from store.holds import reject_pending
from store.messages import get_messages_by_agent
from store.outbound import get_outbound_message
from store.sending import LEASE, claim_approved, claim_expired, list_send_attempts
from tests.store.racers import begin, in_processes, in_threads, tell

HOLDS = 10
TTL = 10
RACERS = 5  # so that each hold has ten approvers, five rejecters, and ten workers that find its time over
WENT_OUT = {"sent", "expired_approved"}

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture(params=["threads", "processes"])
def race(request, database_url, store):
    """Runs racers with stores of their own; as processes where many of them are meant to have one database."""
    if request.param == "processes" and store.engine.dialect.name == "sqlite":
        pytest.skip("one process has a SQLite file")
    run = in_threads if request.param == "threads" else in_processes
    return lambda what, now, *entries: run(what, database_url, now, *entries)


@pytest.fixture
def holds(compose, clock):
    """Ids of holds whose time is over, and that nobody has decided."""
    made = [compose(ttl=TTL).id for _ in range(HOLDS)]
    clock.advance(seconds=TTL)
    return made


@pytest.fixture
def attempts(store):
    """The outcomes of all attempts to send a message, in order."""
    return lambda message_id: [one.outcome for one in store.run(lambda tx: list_send_attempts(tx, message_id))]


@pytest.fixture
def status(store):
    return lambda message_id: store.run(lambda tx: get_outbound_message(tx, message_id)).status


def answers_by_hold(results):
    found = {}
    for result in results:
        for message_id, answer in result["answers"]:
            found.setdefault(message_id, []).append(answer)
    return found


def taken_by_the_provider(results):
    return sorted(message_id for result in results for message_id in result["taken"])


def test_of_all_who_want_a_hold_one_gets_it_and_the_mail_goes_out_once(race, holds, poll, clock, status, attempts):
    results = race("want_all", clock.now(), *[(seed, poll.user_id, 0, *holds) for seed in range(RACERS)])

    found = answers_by_hold(results)
    assert set(holds) == set(found)
    for message_id, answers in found.items():
        others = [answer for answer in answers if answer != status(message_id)]
        assert ["NotPendingApproval"] * (5 * RACERS - 1) == others, message_id
    gone_out = [message_id for message_id in holds if status(message_id) in WENT_OUT]
    assert sorted(gone_out) == taken_by_the_provider(results)
    assert {message_id: ["sent"] * (message_id in gone_out) for message_id in holds} == {
        message_id: attempts(message_id) for message_id in holds
    }
