"""An agent's events in order: where a reader begins, what comes next, and who may go on."""

# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

from dataclasses import replace

import pytest

from store.database.sqlite_watcher import list_changed_agents, list_revoked_keys
from store.directory.agents import delete_agent
from store.directory.keys import create_api_key, delete_api_key
from store.errors import AgentNotFound, InvalidValue
from store.ids import event_id_of
from store.mail.deliveries import list_deliveries_of_message
from store.mail.events_feed import (
    RECEIVED,
    Follower,
    Pulse,
    last_place,
    list_events,
    list_pulses,
    place_before_unread,
    resumed_place,
)
from store.mail.messages import mark_read
from store.mail.queue import next_visible_at
from store.schema.inbound import metadata
from tests.one_database import on_sqlite
from tests.store.gate import Gate, run_beside
from tests.store.plans import plan_of

NOBODY = "nobody@agents.example"


@pytest.fixture
def feed(store, clock):
    """The messages behind a place, and how many at most."""

    def read(agent, after=0, limit=50):
        return store.run(lambda tx: list_events(tx, agent.address, after=after, limit=limit, now=clock.now()))

    return read


def read_pulse(tx, follower):
    return list_pulses(tx, [follower]).get(follower)


@pytest.fixture
def key(store, places, poll, clock):
    return store.run(
        lambda tx: create_api_key(tx, poll.user_id, key_hash="0" * 64, prefix="mk_", name="", now=clock.now())
    )


@pytest.fixture
def follower(poll, key):
    return Follower(agent=poll.address, made_at=poll.created_at, user_id=poll.user_id, key_id=key.id)


def test_events_come_in_the_order_of_commit(feed, arrive, poll):
    kept = [arrive(poll) for _ in range(3)]

    found = feed(poll)

    assert [(number + 1, RECEIVED, message.id) for number, message in enumerate(kept)] == [
        (event.place, event.type, event.message.id) for event in found
    ]


def test_events_are_read_on_from_a_place(feed, arrive, poll):
    kept = [arrive(poll).id for _ in range(4)]

    assert [kept[1:3], kept[3:], []] == [
        [event.message.id for event in feed(poll, after, limit=2)] for after in (1, 3, 4)
    ]


def test_what_was_read_is_an_event_all_the_same(store, feed, arrive, poll):
    message = arrive(poll)
    store.run(lambda tx: mark_read(tx, message.id))

    assert [message.id] == [event.message.id for event in feed(poll)]


def test_an_event_that_a_webhook_was_promised_has_the_promises_id(store, feed, arrive, hook):
    message = arrive(hook)
    (delivery,) = store.run(lambda tx: list_deliveries_of_message(tx, message.id))

    (event,) = feed(hook)

    assert (delivery.event_id, delivery.created_at) == (event.id, event.at)


def test_any_other_event_has_an_id_that_follows_from_its_message(feed, arrive, poll):
    message = arrive(poll)

    assert [event_id_of(message.id, RECEIVED)] * 2 == [feed(poll)[0].id for _ in range(2)]


def test_what_an_agent_wrote_and_what_is_over_is_no_event(feed, arrive, compose, poll, clock):
    arrive(poll)
    clock.advance(days=30)
    compose()
    message = arrive(poll)

    assert [(3, message.id)] == [(event.place, event.message.id) for event in feed(poll)]


def test_the_last_place_is_of_what_happened_last_whatever_it_was(store, arrive, compose, poll):
    assert 0 == store.run(lambda tx: last_place(tx, poll.address))
    arrive(poll)
    compose()

    assert 2 == store.run(lambda tx: last_place(tx, poll.address))


def test_the_oldest_unread_message_comes_next_or_whatever_comes(store, arrive, poll, clock):
    def place():
        return store.run(lambda tx: place_before_unread(tx, poll.address, now=clock.now()))

    assert 0 == place()
    read, _ = arrive(poll), arrive(poll)
    store.run(lambda tx: mark_read(tx, read.id))
    assert 1 == place()
    clock.advance(days=30)
    assert 2 == place()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_reader_goes_on_behind_what_it_had(store, arrive, poll, place):
    arrive(poll), arrive(poll)

    assert place == store.run(lambda tx: resumed_place(tx, poll.address, str(place)))


@pytest.mark.parametrize("event_id", ["", "x", "-1", "1.0", " 1", "²", "3", "9" * 30, "evt_0"])
def test_what_is_no_place_of_the_agents_is_refused(store, arrive, poll, event_id):
    arrive(poll), arrive(poll)

    with pytest.raises(InvalidValue):
        store.run(lambda tx: resumed_place(tx, poll.address, event_id))


@pytest.mark.parametrize(
    "ask",
    [
        lambda tx, _now: last_place(tx, NOBODY),
        lambda tx, _now: resumed_place(tx, NOBODY, "0"),
        lambda tx, now: place_before_unread(tx, NOBODY, now=now),
    ],
)
def test_an_agent_that_is_not_there_has_no_place(store, clock, ask):
    with pytest.raises(AgentNotFound):
        store.run(lambda tx: ask(tx, clock.now()))


def test_the_pulse_tells_the_last_place_and_the_types_chosen(store, arrive, poll, follower):
    arrive(poll)

    assert Pulse(1, frozenset({RECEIVED})) == store.run(lambda tx: read_pulse(tx, follower))


def test_many_pulses_are_taken_at_once_each_for_its_own(store, places, arrive, poll, other, follower):
    arrive(other)
    to_other = replace(follower, agent=other.address, made_at=other.created_at)
    keyless = [replace(follower, key_id=f"key_{number}") for number in range(1200)]
    pulses = store.run(lambda tx: list_pulses(tx, [follower, *keyless, to_other]))

    chosen = frozenset({RECEIVED})
    assert {follower: Pulse(0, chosen), to_other: Pulse(1, chosen)} == pulses
    assert {} == store.run(lambda tx: list_pulses(tx, []))


def test_there_is_no_pulse_without_the_key(store, poll, follower, key):
    store.run(lambda tx: delete_api_key(tx, poll.user_id, key.id))

    assert store.run(lambda tx: read_pulse(tx, follower)) is None


def test_there_is_no_pulse_by_anothers_key(store, places, follower, clock):
    def unit(tx):
        eve = places.user(tx, "eve@evil.example")
        made = create_api_key(tx, eve.id, key_hash="1" * 64, prefix="mk_", name="", now=clock.now())
        asking = Follower(agent=follower.agent, made_at=follower.made_at, user_id=eve.id, key_id=made.id)
        return read_pulse(tx, asking)

    assert store.run(unit) is None


def test_there_is_no_pulse_of_an_agent_that_is_gone_nor_of_one_made_anew(store, places, poll, follower, clock):
    store.run(lambda tx: delete_agent(tx, poll.user_id, poll.address))
    assert store.run(lambda tx: read_pulse(tx, follower)) is None

    clock.advance(seconds=1)
    store.run(lambda tx: places.agent(tx, places.user(tx), poll.address))

    assert store.run(lambda tx: read_pulse(tx, follower)) is None


def test_a_reader_passes_no_event_that_commits_late(store, beside, places, feed, poll, clock):
    gate = Gate(lambda tx: places.message(tx, poll.address))
    late = run_beside(beside, gate.unit)
    gate.reached()
    after = run_beside(store, lambda tx: places.message(tx, poll.address))
    with store.snapshot() as tx:
        before = list_events(tx, poll.address, after=0, limit=50, now=clock.now())
    gate.open()
    kept = [late.result().id, after.result().id]

    assert [] == before
    assert kept == [event.message.id for event in feed(poll)]


def test_an_id_that_follows_from_a_message_looks_like_any_other_and_differs_by_type():
    made = {
        event_id_of(f"msg_dabcdefghijk{number:017}", kind) for number in range(20) for kind in (RECEIVED, "email.sent")
    }

    assert 40 == len(made)
    assert {(33, "evt_dabcdefghijk")} == {(len(each), each[:16]) for each in made}
    assert all(each[4:].isalnum() and each == each.lower() for each in made)


QUESTIONS = {
    "last place": lambda tx, agent, now: last_place(tx, agent),
    "oldest unread": lambda tx, agent, now: place_before_unread(tx, agent, now=now),
    "events": lambda tx, agent, now: list_events(tx, agent, after=1, limit=16, now=now),
    "pulse": lambda tx, agent, now: read_pulse(tx, Follower(agent=agent, made_at=now, user_id="usr_0", key_id="key_0")),
    "next lease": lambda tx, agent, now: next_visible_at(tx, agent, now=now),
    "moved": lambda tx, agent, now: list_changed_agents(tx, {agent: 0}),
    "revoked": lambda tx, agent, now: list_revoked_keys(tx, ["key_0"]),
}


@pytest.mark.parametrize("question", QUESTIONS)
@on_sqlite
def test_no_question_of_a_stream_reads_a_table_from_end_to_end(store, arrive, hook, clock, question):
    arrive(hook), arrive(hook)

    plan = plan_of(store, lambda tx: QUESTIONS[question](tx, hook.address, clock.now()))

    tables = tuple(f"SCAN {table.name}" for table in metadata.sorted_tables)
    assert [] == [step for step in plan if step.startswith(tables)]
