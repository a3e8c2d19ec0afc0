# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from sqlalchemy import event, select

from relay.directory.agents import make_secret
from store.directory.agents import POSTMASTER, delete_agent, ensure_operator_postmaster
from store.errors import InvalidValue
from store.mail.messages import create_inbound_message
from store.mail.usage import KINDS, MAX_PAGE, list_usage, list_usage_events, record_usage
from store.records.people import DayUsage, UsageAmount, UsageEvent
from store.schema.inbound import usage_events
from tests.places import new_message
from tests.store.gate import Gate, in_one_group, run_beside, together, wait_until_blocked
from tests.store.notes import note
from tests.store.plans import statements

DAY = date(2026, 11, 23)  # of the clock


@pytest.fixture
def ana(store, places):
    return store.run(places.user)


@pytest.fixture
def bo(store, places):
    return store.run(lambda tx: places.user(tx, "bo@owner.example"))


def usage(user, kind="received", size=10, *, at, number=1):
    """A unit that counts *number* mails."""

    def unit(tx):
        for n in range(number):
            values = {"agent": "a@agents.example", "message_id": f"msg_{n}", "size": size, "at": at}
            record_usage(tx, user_id=user.id, kind=kind, **values)

    return unit


@pytest.fixture
def days(store):
    return lambda user, first=DAY, last=DAY: store.run(lambda tx: list_usage(tx, user.id, first=first, last=last))


@pytest.fixture
def events(store):
    return lambda user, **more: store.run(lambda tx: list_usage_events(tx, user.id, **more))


# Counting


def test_mails_are_counted_by_day_and_kind(store, ana, days, clock):
    store.run(usage(ana, size=10, at=clock.now(), number=2))
    store.run(usage(ana, size=0, at=clock.now()))
    store.run(usage(ana, "sent", size=5, at=clock.now()))
    store.run(usage(ana, size=7, at=clock.now() + timedelta(days=2)))

    assert [
        DayUsage(DAY, {"received": UsageAmount(3, 20), "sent": UsageAmount(1, 5)}),
        DayUsage(date(2026, 11, 25), {"received": UsageAmount(1, 7)}),
    ] == days(ana, DAY, date(2026, 11, 30))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_counted(store, ana, days, events, clock, kind):
    store.run(usage(ana, kind, at=clock.now()))

    assert [DayUsage(DAY, {kind: UsageAmount(1, 10)})] == days(ana)
    assert [kind] == [found.kind for found in events(ana).items]


def test_an_event_says_what_was_counted(store, ana, events, clock):
    store.run(usage(ana, at=clock.now()))

    (found,) = events(ana).items
    expected = UsageEvent(
        number=found.number,
        kind="received",
        agent="a@agents.example",
        message_id="msg_0",
        bytes=10,
        at=clock.now(),
    )
    assert expected == found


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC), DAY),
        (datetime(2026, 11, 24, 0, 30, tzinfo=timezone(timedelta(hours=1))), DAY),
        (datetime(2026, 11, 22, 23, 30, tzinfo=timezone(timedelta(hours=-1))), DAY),
    ],
)
def test_a_day_is_one_of_utc(store, ana, days, at, day):
    store.run(usage(ana, at=at))

    assert [day] == [found.day for found in days(ana, DAY - timedelta(days=3), DAY + timedelta(days=3))]


def test_a_user_is_counted_alone(store, ana, bo, days, events, clock):
    store.run(usage(ana, at=clock.now()))

    assert ([], []) == (days(bo), list(events(bo).items))


@pytest.mark.parametrize(("kind", "size"), [("read", 1), ("", 1), (None, 1), ("received", -1)])
def test_what_is_no_usage_is_not_counted(store, ana, events, clock, kind, size):
    with pytest.raises(InvalidValue):
        store.run(usage(ana, kind, size, at=clock.now()))

    assert [] == list(events(ana).items)


def test_a_number_larger_than_four_bytes_is_counted(store, ana, days, clock):
    for _ in range(2):
        store.run(usage(ana, size=2**40, at=clock.now()))

    assert [DayUsage(DAY, {"received": UsageAmount(2, 2**41)})] == days(ana)


def test_what_is_undone_is_not_counted(store, ana, days, events, clock):
    def unit(tx):
        usage(ana, at=clock.now())(tx)
        raise InvalidValue

    with pytest.raises(InvalidValue):
        store.run(unit)

    assert ([], []) == (days(ana), list(events(ana).items))


def test_many_mails_of_a_transaction_cost_a_statement_or_two_a_table(store, ana, bo, clock):
    def unit(tx):
        for user in (ana, bo, ana):
            usage(user, at=clock.now(), number=5)(tx)

    with statements(store.engine) as asked:
        store.run(unit)

    written = [text for text, _ in asked if "usage_" in text]
    assert ["usage_days", "usage_events"] == sorted({text.split()[2] for text in written})
    assert len(written) <= 3  # SQLite: 15 events by two statements, two days by one


async def test_a_failure_in_a_group_is_not_counted_and_hurts_no_other_s_count(notes, places, clock):
    ana = await notes.write(places.user)

    answers = await in_one_group(
        notes.write,
        usage(ana, at=clock.now()),
        lambda tx: (usage(ana, at=clock.now())(tx), note(1, then=InvalidValue("no"))(tx)),
        usage(ana, at=clock.now()),
    )

    assert [None, None] == [answers[0], answers[2]]
    assert [DayUsage(DAY, {"received": UsageAmount(2, 20)})] == await notes.read(
        lambda tx: list_usage(tx, ana.id, first=DAY, last=DAY)
    )


# With the mail


def test_a_mail_that_is_kept_is_counted_for_the_agent_s_user(store, arrive, poll, places, days, events):
    owner = store.run(places.user)

    message = arrive(poll)

    assert [DayUsage(DAY, {"received": UsageAmount(1, message.raw_size)})] == days(owner)
    assert [(poll.address, message.id, message.received_at)] == [
        (found.agent, found.message_id, found.at) for found in events(owner).items
    ]


def test_a_mail_for_the_operator_is_counted_for_nobody(store, places, master, clock):
    secret = make_secret(POSTMASTER, master=master, now=clock.now())
    store.run(lambda tx: ensure_operator_postmaster(tx, secret=secret, now=clock.now()))

    store.run(lambda tx: places.message(tx, POSTMASTER))

    assert [] == store.run(lambda tx: tx.execute(select(usage_events)).all())


def test_a_mail_that_cannot_be_kept_is_not_counted(store, poll, places, events, clock):
    owner = store.run(places.user)
    without_bytes = new_message(poll.address, b"never kept", at=clock.now())

    with pytest.raises(InvalidValue):
        store.run(lambda tx: create_inbound_message(tx, without_bytes))

    assert [] == list(events(owner).items)


def test_the_count_outlives_agent_and_message(store, arrive, poll, places, days, events):
    owner = store.run(places.user)
    arrive(poll)

    store.run(lambda tx: delete_agent(tx, owner.id, poll.address))

    assert (1, 1) == (len(days(owner)), len(events(owner).items))


# At once


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_processes_that_count_one_user_at_once_both_count(store, beside, ana, days, clock):
    def count(tx):
        usage(ana, at=clock.now())(tx)
        tx.flush()

    gate = Gate(count)
    first = run_beside(store, gate.unit)
    gate.reached()
    second = run_beside(beside, count)
    wait_until_blocked(store.engine)
    gate.open()
    first.result()
    second.result()

    assert [DayUsage(DAY, {"received": UsageAmount(2, 20)})] == days(ana)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_transaction_counts_users_in_one_order_whoever_came_first(store, ana, bo, clock):
    orders = []

    def note_order(_connection, _cursor, statement, parameters, _context, _many):
        if "usage_days" in statement:
            orders.append([user_id for user_id, *_ in parameters])

    event.listen(store.engine, "before_cursor_execute", note_order)
    for users in ([ana, bo], [bo, ana]):
        store.run(lambda tx, users=users: [usage(user, at=clock.now())(tx) for user in users])

    assert [sorted([ana.id, bo.id])] * 2 == orders


def test_processes_that_count_users_in_another_order_all_count(store, beside, ana, bo, days, clock):
    def work(by, users):
        def unit(tx):
            for user in users:
                usage(user, at=clock.now(), number=3)(tx)

        return lambda: [by.run(unit) for _ in range(20)]

    together([work(by, users) for by, users in ((store, [ana, bo]), (beside, [bo, ana])) * 2])

    assert [[DayUsage(DAY, {"received": UsageAmount(240, 2400)})]] * 2 == [days(ana), days(bo)]


# Lists


@pytest.mark.parametrize(("first", "last"), [(0, 366), (0, -1), (5, 0), (0, 4000)])
def test_usage_is_told_for_a_year_at_most(ana, days, first, last):
    with pytest.raises(InvalidValue):
        days(ana, DAY + timedelta(days=first), DAY + timedelta(days=last))


def test_usage_is_told_for_a_year(store, ana, days, clock):
    store.run(usage(ana, at=clock.now()))

    assert 1 == len(days(ana, DAY, DAY + timedelta(days=365)))
    assert 1 == len(days(ana, DAY - timedelta(days=365), DAY))


def test_both_ends_of_a_time_are_told_and_nothing_outside(store, ana, days, clock):
    for n in range(-2, 3):
        store.run(usage(ana, at=clock.now() + timedelta(days=n)))

    found = days(ana, DAY - timedelta(days=1), DAY + timedelta(days=1))

    assert [22, 23, 24] == [told.day.day for told in found]


def test_events_are_listed_newest_first_page_by_page_and_each_once(store, ana, bo, events, clock):
    for n in range(5):
        clock.advance(seconds=1)
        store.run(usage(ana, size=n, at=clock.now()))
        store.run(usage(bo, at=clock.now()))

    pages = [events(ana, limit=2)]
    while pages[-1].next_cursor is not None:
        pages.append(events(ana, limit=2, cursor=pages[-1].next_cursor))

    assert [[4, 3], [2, 1], [0]] == [[found.bytes for found in page.items] for page in pages]


@pytest.mark.parametrize(("limit", "count"), [(0, 1), (-5, 1), (10**9, MAX_PAGE)])
def test_a_page_of_events_has_a_bound(store, ana, events, clock, limit, count):
    store.run(usage(ana, at=clock.now(), number=MAX_PAGE + 1))

    assert count == len(events(ana, limit=limit).items)


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "9" * 19, "\u0661", "1;--"])
def test_a_cursor_of_nobody_is_refused(ana, events, cursor):
    with pytest.raises(InvalidValue):
        events(ana, cursor=cursor)
