"""What caps are held against: how much an agent has written lately, and to whom for the first time."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest

from store.errors import AgentNotFound
from store.outbound.send_limits import (
    count_new_recipients,
    count_sent_since,
    count_user_new_recipients,
    count_user_sent_since,
    find_new_recipients,
    lock_agent,
    record_recipients,
)
from store.records.outbound import Draft
from tests.store.gate import Gate

HOUR = timedelta(hours=1)
BO, CY, DI = "bo@reader.example", "cy@reader.example", "di@reader.example"


@pytest.fixture
def written(store, poll, clock):
    def count(most=100, **more):
        return store.run(lambda tx: count_sent_since(tx, poll.address, since=clock.now() - HOUR, most=most, **more))

    return count


@pytest.fixture
def met(store, poll, clock):
    return lambda *addresses: store.run(lambda tx: record_recipients(tx, poll.address, addresses, now=clock.now()))


@pytest.fixture
def strangers(store, poll):
    return lambda *addresses: store.run(lambda tx: find_new_recipients(tx, poll.address, addresses))


@pytest.fixture
def new(store, poll, clock):
    def count(most=100):
        return store.run(lambda tx: count_new_recipients(tx, poll.address, since=clock.now() - HOUR, most=most))

    return count


def test_what_was_written_in_the_last_hour_is_counted_whatever_became_of_it(compose, arrive, written, poll, clock):
    compose()
    clock.advance(seconds=1)
    compose(ttl=60)
    arrive(poll)
    clock.advance(seconds=HOUR.total_seconds() - 1)

    assert 1 == written()


def test_another_agent_s_mail_is_not_counted(compose, written, other):
    compose(agent=other.address)

    assert 0 == written()


def test_what_is_counted_is_counted_no_further_than_somebody_wants_to_know(compose, written, met, new):
    for _ in range(3):
        compose()
    met(BO, CY, DI)

    assert (2, 0) == (written(most=2), written(most=0))
    assert (2, 0) == (new(most=2), new(most=0))


def test_what_all_agents_of_a_user_wrote_is_counted_up_to_what_is_asked_and_another_user_s_is_not(
    store, compose, poll, other, bo, clock
):
    def counts(user_id, most=100):
        since = clock.now() - HOUR
        return store.run(
            lambda tx: (
                count_user_sent_since(tx, user_id, since=since, most=most),
                count_user_new_recipients(tx, user_id, since=since, most=most),
            )
        )

    compose()
    store.run(lambda tx: record_recipients(tx, poll.address, [BO], now=clock.now()))
    clock.advance(seconds=HOUR.total_seconds())
    for agent in (poll, other):
        compose(agent=agent.address)
        store.run(lambda tx, at=agent.address: record_recipients(tx, at, [CY, DI], now=clock.now()))

    assert ((2, 4), (1, 1), (0, 0)) == (counts(poll.user_id), counts(poll.user_id, most=1), counts(bo.id))


def test_one_conversation_is_counted_apart(compose, written):
    first = compose()
    compose(conversation_id=first.conversation_id)
    compose()

    assert (2, 3) == (written(conversation_id=first.conversation_id), written())


def test_whoever_was_written_to_is_new_no_more(met, strangers):
    met(BO, CY)

    assert [DI] == strangers(CY, DI, BO)


def test_an_address_is_the_same_however_it_is_written(met, strangers):
    met("Bo@READER.example")

    assert [] == strangers("bo@reader.example", "BO@reader.example")


def test_each_new_address_counts_once_and_only_while_it_is_new(met, new, clock):
    met(BO, CY)
    clock.advance(minutes=30)
    met(BO, DI)
    assert 3 == new()

    clock.advance(minutes=30)

    assert 1 == new()


def test_what_is_no_address_is_nobody_s(met, new):
    met("nobody", "", BO)

    assert 1 == new()


def test_known_recipients_are_kept_per_agent(store, met, other):
    met(BO)

    assert [BO] == store.run(lambda tx: find_new_recipients(tx, other.address, [BO]))


def test_an_agent_that_is_not_there_is_not_held(store):
    with pytest.raises(AgentNotFound):
        store.run(lambda tx: lock_agent(tx, "no@agents.example"))


@pytest.fixture
def in_turn():
    """Runs a second unit that must not be done before the gate of the first is opened; answers what it answers."""

    def run(begin, gate, follow):
        with ThreadPoolExecutor(2) as threads:
            before = threads.submit(begin)
            gate.reached()
            after = threads.submit(follow)
            is_early = bool(wait([after], timeout=0.1).done)
            gate.open()
            before.result()
            assert not is_early
            return after.result()

    return run


def test_who_holds_an_agent_is_waited_for_by_who_counts_next(store, beside, poll, clock, in_turn):
    first = Gate(lambda tx: (lock_agent(tx, poll.address), record_recipients(tx, poll.address, [BO], now=clock.now())))

    def second(tx):
        lock_agent(tx, poll.address)
        return find_new_recipients(tx, poll.address, [BO])

    assert [] == in_turn(lambda: store.run(first.unit), first, lambda: beside.run(second))


def test_a_mail_of_many_recipients_makes_each_known(store, compose, poll, clock, new):
    draft = Draft(to=tuple(f"r{n}@reader.example" for n in range(50)), text="hi")
    written = compose(draft=draft)

    store.run(lambda tx: record_recipients(tx, poll.address, written.to, now=clock.now()))

    assert 50 == new()
