"""Several people, workers and processes want the same holds: one gets each, and a mail goes out once."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

from concurrent.futures import ThreadPoolExecutor

import pytest

from store.mail.messages import get_messages_by_agent
from store.outbound.outbound import get_outbound_message
from store.outbound.sending import LEASE, claim_approved, list_send_attempts
from store.outbound.unconfirmed import sweep_unconfirmed
from tests.store.gate import together
from tests.store.outbound.racers import CROWD, begin, in_processes, in_threads, tell

HOLDS = 5
TTL = 10
RACERS = 4
WORKERS = 4
ARRIVALS = 30  # at each
WENT_OUT = {"sent", "expired_approved"}
DECIDED = WENT_OUT | {"rejected", "expired_rejected"}

RACES = {"sqlite, threads": in_threads, "postgresql, threads": in_threads, "postgresql, processes": in_processes}


@pytest.fixture(params=RACES)
def database_url(request):
    """A database, and below it the way to run racers on it."""
    kind = request.param.partition(",")[0]
    return request.getfixturevalue("sqlite_file_url" if kind == "sqlite" else "postgres_url")


@pytest.fixture
def race(request, database_url):
    """Runs racers, each with a store of its own."""
    run = RACES[request.node.callspec.params["database_url"]]
    return lambda what, now, *entries: run(what, database_url, now, *entries)


@pytest.fixture
def holds(compose, clock):
    """Ids of holds whose time is over, and that nobody has decided."""
    made = [compose(ttl=TTL).id for _ in range(HOLDS)]
    clock.advance(seconds=TTL)
    return made


@pytest.fixture
def outcomes(store):
    """By message, the outcomes of all attempts to send it."""

    def read(tx, message_ids):
        return {key: [one.outcome for one in list_send_attempts(tx, key)] for key in message_ids}

    return lambda message_ids: store.run(lambda tx: read(tx, message_ids))


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


def test_of_all_who_want_a_hold_one_gets_it_and_the_mail_goes_out_once(race, holds, poll, clock, status, outcomes):
    results = race("want_all", clock.now(), *[(seed, poll.user_id, 0, *holds) for seed in range(RACERS)])

    found = answers_by_hold(results)
    ended = {message_id: status(message_id) for message_id in holds}
    assert set(ended.values()) <= DECIDED
    refused = ["NotPendingApproval"] * (len(CROWD) * RACERS - 1)
    assert {message_id: [ended[message_id], *refused] for message_id in holds} == {
        message_id: sorted(found[message_id], key="NotPendingApproval".__eq__) for message_id in holds
    }
    gone_out = [message_id for message_id in holds if ended[message_id] in WENT_OUT]
    assert sorted(gone_out) == taken_by_the_provider(results)
    assert {message_id: ["sent"] * (message_id in gone_out) for message_id in holds} == outcomes(holds)


def test_a_mail_that_the_provider_refuses_is_the_next_one_s_and_still_goes_out_once(
    race, holds, poll, clock, status, outcomes
):
    results = race("want_all", clock.now(), *[(seed, poll.user_id, 2, *holds) for seed in range(RACERS)])

    found = answers_by_hold(results)
    gone_out = [message_id for message_id in holds if status(message_id) in WENT_OUT]
    assert sorted(gone_out) == taken_by_the_provider(results)
    assert 0 < sum(answers.count("ConnectionRefusedError") for answers in found.values())
    for message_id, tried in outcomes(holds).items():
        assert ["failed"] * found[message_id].count("ConnectionRefusedError") + ["sent"] * (
            message_id in gone_out
        ) == sorted(tried), message_id


def test_of_several_workers_at_the_holds_whose_time_is_over_each_hold_is_one_s(race, holds, clock, status, outcomes):
    results = race("expire_all", clock.now(), *[(limit,) for limit in range(2, 2 + WORKERS)])

    assert sorted(holds) == taken_by_the_provider(results)
    assert dict.fromkeys(holds, "expired_approved") == {message_id: status(message_id) for message_id in holds}
    assert {key: ["sent"] for key in holds} == outcomes(holds)
    assert {"expired_approved", "NotPendingApproval"} >= {
        answer for answers in answers_by_hold(results).values() for answer in answers
    }


def test_of_several_sweepers_each_abandoned_mail_is_one_s(race, store, holds, poll, clock, status, outcomes):
    for message_id in holds:
        store.run(lambda tx, which=message_id: claim_approved(tx, poll.user_id, which, lease=LEASE, now=clock.now()))
    clock.advance(seconds=LEASE.total_seconds())

    results = race("sweep_all", clock.now(), *[(limit,) for limit in range(1, 1 + WORKERS)])

    assert sorted(holds) == sorted(message_id for swept in results for message_id in swept)
    assert dict.fromkeys(holds, "unconfirmed") == {message_id: status(message_id) for message_id in holds}
    assert {key: ["unconfirmed"] for key in holds} == outcomes(holds)


@pytest.mark.parametrize("database_url", ["sqlite, threads", "postgresql, processes"], indirect=True)
def test_a_mail_whose_sender_was_killed_behind_the_answer_is_found_once_and_sent_by_nobody(
    database_url, store, beside, compose, poll, clock, status, outcomes
):
    held = compose(ttl=TTL)
    with begin("die_with_the_answer", database_url, clock.now(), poll.user_id, held.id) as process:
        assert "ready\n" == process.stdout.readline()
        tell(process)
        assert "the provider said yes\n" == process.stdout.readline()
        process.kill()
    assert ("sending", []) == (status(held.id), sweep(store, clock))
    clock.advance(seconds=LEASE.total_seconds())

    swept = together([lambda by=by: sweep(by, clock) for by in (store, beside)])

    assert [[], [held.id]] == sorted(swept)
    assert ("unconfirmed", {held.id: ["unconfirmed"]}) == (status(held.id), outcomes([held.id]))
    wants = [(seed, poll.user_id, 0, held.id) for seed in range(2)]
    results = in_threads("want_all", database_url, clock.now(), *wants)
    assert ([], {"NotPendingApproval"}) == (taken_by_the_provider(results), set(answers_by_hold(results)[held.id]))
    assert ("unconfirmed", [[], []]) == (
        status(held.id),
        in_threads("sweep_all", database_url, clock.now(), (9,), (9,)),
    )


def sweep(store, clock):
    return store.run(lambda tx: sweep_unconfirmed(tx, limit=10, now=clock.now()))


def test_who_reads_while_mail_arrives_sees_each_one_once_and_in_order(race, store, poll, clock):
    seen = []

    def read_on(tx):
        cursor = str(seen[-1].seq) if seen else None
        return get_messages_by_agent(tx, poll.address, status="all", limit=7, cursor=cursor, now=clock.now()).items

    with ThreadPoolExecutor(1) as threads:
        arriving = threads.submit(race, "arrive", clock.now(), *[(poll.address, ARRIVALS)] * WORKERS)
        is_over = False
        while not is_over:
            all_had_arrived = arriving.done()
            with store.snapshot() as tx:
                page = read_on(tx)
            seen += page
            is_over = all_had_arrived and not page

    arrived = [message_id for ids in arriving.result() for message_id in ids]
    assert WORKERS * ARRIVALS == len(arrived)
    assert sorted(arrived) == sorted(message.id for message in seen)
    assert list(range(1, len(arrived) + 1)) == [message.seq for message in seen]
